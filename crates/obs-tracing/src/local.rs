//! What a thread keeps for itself: the spans it is in, records to reuse, ended spans to hand over.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use obs_context::set_active_span;

use crate::pipeline::{Buffer, Pipeline};
use crate::pool;
use crate::propagate::Origin;
use crate::record::{Limits, Open};

/// The span of an id, for one layer: ids of two subscribers collide.
pub(crate) struct Entry {
    pub(crate) layer: usize,
    pub(crate) id: u64,
    pub(crate) open: Arc<Open>,
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
    pub(crate) fn known(&self, layer: usize, id: u64) -> Option<&Arc<Open>> {
        let known = |entry: &&Entry| entry.id == id && entry.layer == layer;
        let found = self.last.as_ref().filter(known);
        found.or_else(|| self.stack.iter().rev().find(known)).map(|entry| &entry.open)
    }

    /// As [`Self::known`], for a span that is about to be entered: taken, where that saves a count.
    #[inline]
    pub(crate) fn take_known(&mut self, layer: usize, id: u64) -> Option<Arc<Open>> {
        let is_it = |entry: &&mut Entry| entry.id == id && entry.layer == layer;
        if self.last.as_mut().filter(is_it).is_some() {
            return self.last.take().map(|entry| entry.open);
        }
        self.known(layer, id).cloned()
    }

    #[inline]
    pub(crate) fn remember(&mut self, entry: Entry) {
        self.last = Some(entry);
    }

    #[inline]
    pub(crate) fn forget(&mut self, layer: usize, id: u64) {
        if self.last.as_ref().is_some_and(|last| last.id == id && last.layer == layer) {
            self.last = None;
        }
    }

    /// The span that was created last on this thread, if it has this id.
    pub(crate) fn just_created(&self, id: u64) -> Option<&Entry> {
        self.last.as_ref().filter(|entry| entry.id == id)
    }

    pub(crate) fn forget_last(&mut self) {
        self.last = None;
    }

    #[inline]
    pub(crate) fn enter(&mut self, entry: Entry) {
        set_active_span(Some(entry.open.active()));
        self.stack.push(entry);
    }

    #[inline]
    pub(crate) fn exit(&mut self, layer: usize, id: u64) {
        let Some(at) = self.stack.iter().rposition(|entry| entry.id == id && entry.layer == layer)
        else {
            return;
        };
        self.last = Some(self.stack.remove(at));
        set_active_span(self.stack.last().map(|entry| entry.open.active()));
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
