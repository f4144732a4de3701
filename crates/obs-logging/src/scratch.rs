//! The buffers of one line.

use crate::context::fields::Fields;

/// A line buffer that has grown past this is freed, in bytes.
const MAX_KEPT_CAPACITY: usize = 64 * 1024;

/// Kept by a thread from line to line.
#[derive(Default)]
pub(crate) struct Scratch {
    /// The event's own fields, or a span's.
    pub(crate) fields: Fields,
    /// The message, as a JSON string; empty where there is none.
    pub(crate) message: Vec<u8>,
    /// The target, where it differs from the callsite's.
    pub(crate) target: String,
    /// All fields of the line together, where they cannot simply be put one after another.
    pub(crate) merged: Fields,
    pub(crate) line: Vec<u8>,
}

impl Scratch {
    pub(crate) fn clear(&mut self) {
        if self.line.capacity() > MAX_KEPT_CAPACITY {
            *self = Self::default();
        }
        self.fields.clear();
        self.message.clear();
        self.target.clear();
        self.merged.clear();
        self.line.clear();
    }
}
