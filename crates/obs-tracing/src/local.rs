//! What a thread keeps for itself: the spans it is in, records to reuse, ended spans to hand over.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use obs_context::{ActiveSpan, set_active_span};

use crate::pipeline::{Buffer, Pipeline};
use crate::pool;
use crate::propagate::Origin;
use crate::record::{Limits, Open};

/// The span of an id, for one layer: ids of two subscribers collide.
pub(crate) struct Entry {
    pub(crate) layer: usize,
    pub(crate) id: u64,
    /// Of an unsampled child, its parent.
    pub(crate) open: Arc<Open>,
    pub(crate) name: &'static str,
    /// Whether the layer's table knows the span too.
    pub(crate) in_table: bool,
}

impl Entry {
    fn active(&self) -> ActiveSpan {
        ActiveSpan { name: self.name, ..self.open.active() }
    }
}

#[derive(Default)]
pub(crate) struct Local {
    /// The spans that were entered on this thread and not yet exited, of all layers.
    stack: Vec<Entry>,
    /// The span that was created or exited last: most likely the next to be entered or closed.
    last: Option<Entry>,
    /// Where spans come from that have no parent here.
    pub(crate) origin: Option<Box<Origin>>,
    pool: Vec<Arc<Open>>,
    buffers: Vec<Attached>,
}

struct Attached {
    layer: usize,
    pipeline: Weak<Pipeline>,
    buffer: Arc<Buffer>,
}

thread_local! {
    static LOCAL: RefCell<Local> = const {
        RefCell::new(Local {
            stack: Vec::new(),
            last: None,
            origin: None,
            pool: Vec::new(),
            buffers: Vec::new(),
        })
    };
}

/// Does something with what the thread keeps; `None` when the thread is at its very end.
///
/// Nothing in here may run code of the application, which could come back.
#[inline]
pub(crate) fn with<R>(work: impl FnOnce(&mut Local) -> R) -> Option<R> {
    LOCAL.try_with(|local| local.try_borrow_mut().ok().map(|mut local| work(&mut local))).ok()?
}

impl Local {
    /// The innermost span of this layer.
    #[inline]
    pub(crate) fn current(&self, layer: usize) -> Option<&Arc<Open>> {
        self.stack.iter().rev().find(|entry| entry.layer == layer).map(|entry| &entry.open)
    }

    /// The innermost span, and its layer.
    pub(crate) fn innermost(&self) -> Option<&Entry> {
        self.stack.last()
    }

    /// The limits of a layer's pipeline, where this thread has created spans for it.
    pub(crate) fn limits(&self, layer: usize) -> Option<Limits> {
        let attached = self.buffers.iter().find(|attached| attached.layer == layer)?;
        attached.pipeline.upgrade().map(|pipeline| pipeline.limits)
    }

    /// The span of this id, where the thread knows it without asking the table.
    #[inline]
    pub(crate) fn known(&self, layer: usize, id: u64) -> Option<&Entry> {
        let known = |entry: &&Entry| entry.id == id && entry.layer == layer;
        let found = self.last.as_ref().filter(known);
        found.or_else(|| self.stack.iter().rev().find(known))
    }

    /// Enters a span that the thread knows; `false` when it does not.
    #[inline]
    pub(crate) fn enter_known(&mut self, layer: usize, id: u64) -> bool {
        let is_it = |entry: &&mut Entry| entry.id == id && entry.layer == layer;
        if self.last.as_mut().filter(is_it).is_some() {
            if let Some(entry) = self.last.take() {
                self.enter(entry);
            }
            return true;
        }
        let known =
            self.known(layer, id).map(|entry| Entry { open: Arc::clone(&entry.open), ..*entry });
        known.map(|entry| self.enter(entry)).is_some()
    }

    #[inline]
    pub(crate) fn remember(&mut self, entry: Entry) {
        self.last = Some(entry);
    }

    /// The span is closed: whether the table may know it too.
    #[inline]
    pub(crate) fn forget(&mut self, layer: usize, id: u64) -> bool {
        match self.last.take_if(|last| last.id == id && last.layer == layer) {
            Some(entry) => entry.in_table,
            None => true,
        }
    }

    /// The span that was created last on this thread, if it has this id.
    #[cfg(feature = "http")]
    pub(crate) fn just_created(&self, id: u64) -> Option<&Entry> {
        self.last.as_ref().filter(|entry| entry.id == id)
    }

    #[cfg(feature = "http")]
    pub(crate) fn forget_last(&mut self) {
        self.last = None;
    }

    #[inline]
    pub(crate) fn enter(&mut self, entry: Entry) {
        set_active_span(Some(entry.active()));
        self.stack.push(entry);
    }

    #[inline]
    pub(crate) fn exit(&mut self, layer: usize, id: u64) {
        let Some(at) = self.stack.iter().rposition(|entry| entry.id == id && entry.layer == layer)
        else {
            return;
        };
        self.last = Some(self.stack.remove(at));
        set_active_span(self.stack.last().map(Entry::active));
    }

    /// A record to use again. Nobody else has it, except where somebody still looks at its former span.
    #[inline]
    pub(crate) fn take(&mut self) -> Arc<Open> {
        let pooled = self.pool.pop().or_else(|| self.refill());
        pooled.unwrap_or_else(|| Arc::new(Open::blank()))
    }

    #[cold]
    fn refill(&mut self) -> Option<Arc<Open>> {
        self.pool = pool::take()?;
        self.pool.pop()
    }

    /// Keeps a record for the next span.
    #[inline]
    pub(crate) fn give_back(&mut self, open: Arc<Open>) {
        if self.pool.len() < pool::CHUNK {
            self.pool.push(open);
        }
    }

    /// The buffer of this thread for this pipeline.
    #[inline]
    pub(crate) fn buffer(&mut self, pipeline: &Arc<Pipeline>) -> &Buffer {
        let layer = pipeline.number();
        let at = match self.buffers.iter().position(|attached| attached.layer == layer) {
            Some(at) => at,
            None => self.attach(pipeline),
        };
        &self.buffers[at].buffer
    }

    #[cold]
    fn attach(&mut self, pipeline: &Arc<Pipeline>) -> usize {
        self.buffers.retain(|attached| attached.pipeline.strong_count() > 0);
        self.buffers.push(Attached {
            layer: pipeline.number(),
            pipeline: Arc::downgrade(pipeline),
            buffer: pipeline.attach(),
        });
        self.buffers.len() - 1
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        for attached in self.buffers.drain(..) {
            if let Some(pipeline) = attached.pipeline.upgrade() {
                pipeline.detach(&attached.buffer);
            }
        }
        pool::give_back(std::mem::take(&mut self.pool));
    }
}
