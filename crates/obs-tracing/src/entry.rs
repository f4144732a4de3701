//! A span as one thread knows it.

use crate::closed;
use crate::record::Identity;

/// The span of an id, for one layer: ids of two subscribers collide.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) layer: usize,
    pub(crate) id: u64,
    /// Of an unsampled child, its parent's, with the child's name.
    pub(crate) identity: Identity,
    /// The span whose record this one's events go to: itself or, of a span that is not traced, its nearest
    /// ancestor that is, which is also what `identity` says.
    pub(crate) record: u64,
    /// Whether the pipeline's table has the span's record.
    pub(crate) in_table: bool,
    /// Where it is not entered: as far as ids had been given back when it was. See [`crate::closed`].
    pub(crate) closed: u32,
    /// Whether another thread made it, or this one does not know that it did.
    pub(crate) foreign: bool,
    /// Whether another layer said that the span was entered, since a filter keeps it from this one.
    pub(crate) followed: bool,
}

/// No span has this id.
pub(crate) const NOBODY: u64 = 0;

impl Entry {
    pub(crate) const NONE: Self = Self {
        layer: 0,
        id: NOBODY,
        identity: Identity::NONE,
        record: NOBODY,
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

    /// It was exited; a span of another thread's is not known any longer then.
    #[inline]
    pub(crate) fn leave(&mut self) {
        if self.foreign {
            self.id = NOBODY;
        }
        self.closed = closed::count(self.id);
    }

    #[inline]
    pub(crate) fn is(&self, layer: usize, id: u64) -> bool {
        self.id == id && self.layer == layer
    }
}
