//! Per-thread state: a line takes no lock and no allocation.

#![allow(unsafe_code, reason = "asks once, not twice, for what every line needs")]

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use crate::callsite::{Callsite, Callsites};
use crate::context::fields::Fields;
use crate::context::stack::Stack;
use crate::encode::time::Clock;
use crate::scratch::Scratch;

/// The state of one thread.
#[derive(Default)]
pub(crate) struct Local {
    pub(crate) stack: RefCell<Stack>,
    /// The fields of the bound logger whose line is just being made.
    pub(crate) bound: RefCell<Option<Arc<Fields>>>,
    pub(crate) clock: Clock,
    callsites: RefCell<Callsites>,
    scratch: Cell<Option<Box<Scratch>>>,
}

thread_local! {
    static LOCAL: Local = Local::default();
}

/// Runs `work` with this thread's state; with a new one while the thread's locals are destroyed.
#[inline]
pub(crate) fn with<R>(work: impl FnOnce(&Local) -> R) -> R {
    let spare;
    let local = match LOCAL.try_with(std::ptr::from_ref) {
        // SAFETY: the state lives until the thread's destructors run, and this thread is here.
        Ok(local) => unsafe { &*local },
        Err(_) => {
            spare = Local::default();
            &spare
        }
    };
    work(local)
}

impl Local {
    /// The callsite's entry for the layer of this number.
    #[inline]
    pub(crate) fn callsite(
        &self,
        layer: u32,
        metadata: &'static tracing_core::Metadata<'static>,
        make: impl FnOnce() -> Callsite,
    ) -> Rc<Callsite> {
        self.callsites.borrow_mut().find(layer, metadata, make)
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
