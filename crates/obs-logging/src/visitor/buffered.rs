//! Fields that are buffered, to be merged with the context afterwards.

use crate::callsite::Callsite;
use crate::context::fields::{Fields, Key};
use crate::scratch::Scratch;
use crate::visitor::sink::FieldSink;

/// Writes the message and the fields into their own buffers.
pub(crate) struct Buffered<'a> {
    pub(crate) callsite: &'a Callsite,
    pub(crate) scratch: &'a mut Scratch,
}

impl<'a> FieldSink<'a> for Buffered<'a> {
    #[inline]
    fn callsite(&self) -> &'a Callsite {
        self.callsite
    }

    #[inline]
    fn field(&mut self, key: &Key) -> &mut Vec<u8> {
        self.scratch.fields.begin(key)
    }

    fn part(&mut self, key: &Key) -> &mut Vec<u8> {
        self.scratch.fields.begin(key)
    }

    fn fields(&mut self) -> Option<&mut Fields> {
        Some(&mut self.scratch.fields)
    }

    #[inline]
    fn message(&mut self) -> &mut Vec<u8> {
        self.scratch.message.clear();
        &mut self.scratch.message
    }

    fn target(&mut self) -> &mut String {
        &mut self.scratch.target
    }
}
