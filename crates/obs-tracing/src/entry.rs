//! A span on the stack of one thread.

use crate::closed;
use crate::record::SpanContext;

/// The span of an id, for one layer: ids of two subscribers collide.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) layer: usize,
    pub(crate) id: u64,
    /// Of an unsampled child, its parent's, with the child's name.
    pub(crate) span_context: SpanContext,
    /// The span whose record this one's events go to: itself or, of a span that is not traced, its nearest
    /// ancestor that is; `span_context` is that ancestor's.
    pub(crate) record: u64,
    /// Whether the pipeline's table has the span's record.
    pub(crate) in_table: bool,
    /// Where it is not entered: as far as ids had been given back when it was. See [`crate::closed`].
    pub(crate) closed: u32,
    /// Whether another thread made it, or this one does not know that it did.
    pub(crate) foreign: bool,
    /// Whether the entry came from another layer, since a filter hides the span from this one.
    pub(crate) followed: bool,
}

/// No span has this id.
pub(crate) const NO_ID: u64 = 0;

impl Entry {
    pub(crate) const NONE: Self = Self {
        layer: 0,
        id: NO_ID,
        span_context: SpanContext::NONE,
        record: NO_ID,
        in_table: false,
        foreign: false,
        closed: 0,
        followed: false,
    };

    /// Of one that is not entered: whether its id is still its own.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.closed == closed::count(self.id)
    }

    /// It was exited. A span of another thread's stays known where its record can say so to the thread that
    /// closes it: see [`crate::closed`].
    #[inline]
    pub(crate) fn mark_exited(&mut self) {
        if self.foreign && (self.followed || !self.in_table) {
            self.id = NO_ID;
        }
        self.closed = closed::count(self.id);
    }

    #[inline]
    pub(crate) fn matches(&self, layer: usize, id: u64) -> bool {
        self.id == id && self.layer == layer
    }
}
