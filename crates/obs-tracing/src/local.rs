//! What a thread keeps for itself: the spans it is in, records to reuse, ended spans to hand over.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use obs_context::set_active_span;

use crate::pipeline::{Buffer, Pipeline};
use crate::pool;
use crate::propagate::Origin;
use crate::record::{Chunk, Identity, Record};
use crate::ring::Producer;

/// The span of an id, for one layer: ids of two subscribers collide.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) layer: usize,
    pub(crate) id: u64,
    /// Of an unsampled child, its parent's, with the child's name.
    pub(crate) identity: Identity,
    /// Whether the pipeline's table has the span's record.
    pub(crate) in_table: bool,
}

#[derive(Default)]
pub(crate) struct Local {
    /// The spans that were entered on this thread and not yet exited, of all layers.
    stack: Vec<Entry>,
    /// The span that was created or exited last: most likely the next to be entered or closed.
    last: Option<Entry>,
    /// Where spans come from that have no parent here.
    pub(crate) origin: Option<Box<Origin>>,
    pool: Chunk,
    /// An emptied pool, for the next chunk that is handed over.
    spare: Chunk,
    attached: Vec<Attached>,
}

/// The thread's end of a pipeline.
pub(crate) struct Attached {
    layer: usize,
    pipeline: Weak<Pipeline>,
    pub(crate) buffer: Arc<Buffer>,
    ended: Producer<Box<Record>>,
}

thread_local! {
    static LOCAL: RefCell<Local> = const {
        RefCell::new(Local {
            stack: Vec::new(),
            last: None,
            origin: None,
            pool: Vec::new(),
            spare: Vec::new(),
            attached: Vec::new(),
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
    pub(crate) fn current(&self, layer: usize) -> Option<&Entry> {
        self.stack.iter().rev().find(|entry| entry.layer == layer)
    }

    /// The innermost span.
    pub(crate) fn innermost(&self) -> Option<&Entry> {
        self.stack.last()
    }

    /// The pipeline of a layer whose spans this thread has created or entered.
    pub(crate) fn pipeline(&self, layer: usize) -> Option<Arc<Pipeline>> {
        self.attached.iter().find(|attached| attached.layer == layer)?.pipeline.upgrade()
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
        if let Some(entry) = self.last.take_if(|last| last.id == id && last.layer == layer) {
            self.enter(entry);
            return true;
        }
        let known = self.known(layer, id).cloned();
        known.map(|entry| self.enter(entry)).is_some()
    }

    #[inline]
    pub(crate) fn remember(&mut self, entry: Entry) {
        self.last = Some(entry);
    }

    /// The span is closed: whether the table may have its record.
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
        set_active_span(Some(entry.identity.active()));
        self.stack.push(entry);
    }

    #[inline]
    pub(crate) fn exit(&mut self, layer: usize, id: u64) {
        let Some(at) = self.stack.iter().rposition(|entry| entry.id == id && entry.layer == layer)
        else {
            return;
        };
        self.last = Some(self.stack.remove(at));
        set_active_span(self.stack.last().map(|entry| entry.identity.active()));
    }

    /// An empty record.
    #[inline]
    pub(crate) fn take(&mut self) -> Box<Record> {
        let pooled = self.pool.pop().or_else(|| self.refill());
        pooled.unwrap_or_else(|| Box::new(Record::new()))
    }

    #[cold]
    fn refill(&mut self) -> Option<Box<Record>> {
        self.spare = std::mem::replace(&mut self.pool, pool::take()?);
        self.pool.pop()
    }

    /// Keeps an empty record for the next span.
    #[inline]
    pub(crate) fn give_back(&mut self, record: Box<Record>) {
        if self.pool.len() < pool::CHUNK {
            self.pool.push(record);
        }
    }

    /// Keeps an ended span; a chunk that is worth handing over comes back.
    #[inline]
    pub(crate) fn end(
        &mut self,
        pipeline: &Arc<Pipeline>,
        record: Box<Record>,
        worth: usize,
    ) -> Option<Chunk> {
        let attached = self.attached(pipeline);
        let (waiting, refused) = match attached.ended.push(record) {
            Ok(waiting) => (waiting, None),
            Err(refused) => (worth, Some(refused)),
        };
        if waiting < worth {
            return None;
        }
        let buffer = Arc::clone(&attached.buffer);
        let mut chunk = std::mem::take(&mut self.spare);
        buffer.take(&mut chunk);
        chunk.extend(refused);
        Some(chunk)
    }

    /// This thread's end of the pipeline.
    #[inline]
    pub(crate) fn attached(&mut self, pipeline: &Arc<Pipeline>) -> &mut Attached {
        let layer = pipeline.number();
        let at = match self.attached.iter().position(|attached| attached.layer == layer) {
            Some(at) => at,
            None => self.attach(pipeline),
        };
        &mut self.attached[at]
    }

    #[cold]
    fn attach(&mut self, pipeline: &Arc<Pipeline>) -> usize {
        self.attached.retain(|attached| attached.pipeline.strong_count() > 0);
        let (buffer, ended) = pipeline.attach();
        let (layer, pipeline) = (pipeline.number(), Arc::downgrade(pipeline));
        self.attached.push(Attached { layer, pipeline, buffer, ended });
        self.attached.len() - 1
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        for attached in self.attached.drain(..) {
            if let Some(pipeline) = attached.pipeline.upgrade() {
                pipeline.detach(&attached.buffer);
            }
        }
        pool::give_back(std::mem::take(&mut self.pool));
    }
}
