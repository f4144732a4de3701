//! What a thread keeps for itself, so that a line takes no lock and no allocation.

#![allow(unsafe_code, reason = "asks once, not twice, for what every line needs")]

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use crate::callsite::{Callsite, Callsites};
use crate::context::fields::Fields;
use crate::context::span::SpanContext;
use crate::context::stack::Stack;
use crate::encode::time::Clock;

/// Buffers that have grown past this are given back.
const KEPT: usize = 64 * 1024;

/// So many buffers of spans are kept.
const SPARE: usize = 32;

/// One thread's own.
#[derive(Default)]
pub(crate) struct Local {
    pub(crate) stack: RefCell<Stack>,
    /// The fields of the bound logger whose line is just being made.
    pub(crate) bound: RefCell<Option<Arc<Fields>>>,
    pub(crate) clock: Clock,
    /// The span that was made last: it is what is entered next, most of the time.
    newest: RefCell<Option<Newest>>,
    /// Buffers of spans that are gone.
    spare: RefCell<Vec<Fields>>,
    callsites: RefCell<Callsites>,
    scratch: Cell<Option<Box<Scratch>>>,
}

struct Newest {
    layer: u32,
    id: u64,
    context: Arc<SpanContext>,
}

/// Buffers for one line in the making.
#[derive(Default)]
pub(crate) struct Scratch {
    /// The event's own fields, or a span's.
    pub(crate) fields: Fields,
    /// The message, as a JSON string; empty where there is none.
    pub(crate) message: Vec<u8>,
    /// The target, where the event tells another than its callsite.
    pub(crate) target: String,
    /// All fields of the line together, where they cannot simply be put one after another.
    pub(crate) merged: Fields,
    pub(crate) line: Vec<u8>,
}

thread_local! {
    static LOCAL: Local = Local::default();
}

/// Runs `work` with this thread's own; with a fresh one while the thread is being torn down.
#[inline]
pub(crate) fn with<R>(work: impl FnOnce(&Local) -> R) -> R {
    let spare;
    let local = match LOCAL.try_with(std::ptr::from_ref) {
        // SAFETY: the thread's own lives until the thread's destructors run, and this thread is here.
        Ok(local) => unsafe { &*local },
        Err(_) => {
            spare = Local::default();
            &spare
        }
    };
    work(local)
}

/// Keeps the buffers of a span for the next one of this thread.
pub(crate) fn give_fields_back(fields: Fields) {
    let _ = LOCAL.try_with(|local| local.keep_fields(fields));
}

impl Local {
    /// What is known of a callsite, for the layer of this number.
    #[inline]
    pub(crate) fn callsite(
        &self,
        layer: u32,
        metadata: &'static tracing_core::Metadata<'static>,
        make: impl FnOnce() -> Callsite,
    ) -> Rc<Callsite> {
        self.callsites.borrow_mut().find(layer, metadata, make)
    }

    pub(crate) fn remember_newest(&self, layer: u32, id: u64, context: &Arc<SpanContext>) {
        self.newest.replace(Some(Newest { layer, id, context: context.clone() }));
    }

    /// The newest span, if it is this one: saves asking the registry.
    #[inline]
    pub(crate) fn newest(&self, layer: u32, id: u64) -> Option<Arc<SpanContext>> {
        let newest = self.newest.borrow();
        let newest = newest.as_ref()?;
        // A closed span's id may have been given to another since.
        let is_same = newest.id == id && newest.layer == layer && !newest.context.is_closed();
        is_same.then(|| newest.context.clone())
    }

    /// Empty fields, with room from an earlier span if there is any.
    pub(crate) fn take_fields(&self) -> Fields {
        self.spare.borrow_mut().pop().unwrap_or_default()
    }

    fn keep_fields(&self, mut fields: Fields) {
        // Whoever drops a span may be in the middle of anything.
        let Ok(mut spare) = self.spare.try_borrow_mut() else { return };
        if spare.len() < SPARE && fields.has_modest_room() {
            fields.clear();
            spare.push(fields);
        }
    }

    /// Buffers to use: those of the thread, or new ones while a line is being made already (a value's
    /// `Debug` may log).
    #[inline]
    pub(crate) fn take_scratch(&self) -> Box<Scratch> {
        self.scratch.take().unwrap_or_default()
    }

    #[inline]
    pub(crate) fn give_back(&self, mut scratch: Box<Scratch>) {
        scratch.clear();
        self.scratch.set(Some(scratch));
    }
}

impl Scratch {
    fn clear(&mut self) {
        if self.line.capacity() > KEPT {
            *self = Self::default();
        }
        self.fields.clear();
        self.message.clear();
        self.target.clear();
        self.merged.clear();
        self.line.clear();
    }
}
