//! Fields that are written directly into the line: nothing is copied twice.

use std::ops::Range;

use crate::callsite::Callsite;
use crate::context::fields::{Fields, Key};
use crate::render::Json;
use crate::scratch::Scratch;
use crate::visitor::sink::FieldSink;

/// Writes into a line that has been opened: the message, then the context, then the fields.
///
/// The context is read after the message has been formatted, which may change it. Where a name is in the
/// context and among the event's, the event's fields are buffered.
pub(crate) struct InPlace<'a, S> {
    pub(crate) callsite: &'a Callsite,
    pub(crate) scratch: &'a mut Scratch,
    json: &'a Json,
    write_context: S,
    stage: Stage,
    /// Where the message stands in the line; nowhere if there is none.
    message: Range<usize>,
    /// Where the event's own fields begin.
    own: usize,
    /// Names, as bits, of what came of values.
    parts: u128,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing but the message has come.
    Opened,
    /// The fields of the context are in the line.
    HasContext,
    /// The same, but a value came that may not simply stand there.
    NeedsMerge,
    /// All is in buffers of its own.
    Buffered,
}

impl<'a, S: FnMut(&mut Vec<u8>) -> bool> InPlace<'a, S> {
    /// `write_context` appends the fields of the context, or answers that its names and those of the
    /// callsite cannot stand one after another.
    pub(crate) fn new(
        callsite: &'a Callsite,
        scratch: &'a mut Scratch,
        json: &'a Json,
        write_context: S,
    ) -> Self {
        Self {
            callsite,
            scratch,
            json,
            write_context,
            stage: Stage::Opened,
            message: 0..0,
            own: 0,
            parts: 0,
        }
    }

    /// Whether the line is whole; else message and fields are in their own buffers.
    #[inline]
    pub(crate) fn end(mut self) -> bool {
        if self.stage == Stage::Opened {
            self.context();
        }
        if self.stage == Stage::HasContext {
            self.scratch.line.extend_from_slice(b"}\n");
            return true;
        }
        if self.stage == Stage::NeedsMerge {
            self.scratch.fields = Fields::from_written(&self.scratch.line[self.own..]);
            self.move_to_buffers();
        }
        false
    }

    #[inline]
    fn context(&mut self) {
        if self.message.start > 0 {
            self.message.end = self.scratch.line.len();
        }
        if (self.write_context)(&mut self.scratch.line) {
            self.own = self.scratch.line.len();
            self.stage = Stage::HasContext;
        } else {
            self.move_to_buffers();
        }
    }

    /// The line is written again once all fields are there.
    #[cold]
    fn move_to_buffers(&mut self) {
        let Scratch { line, message, .. } = &mut *self.scratch;
        if message.is_empty() {
            message.extend_from_slice(&line[self.message.clone()]);
        }
        line.clear();
        self.stage = Stage::Buffered;
    }

    #[inline(never)]
    fn other_field(&mut self, key: &Key) -> &mut Vec<u8> {
        if self.stage == Stage::Opened {
            self.context();
        }
        if self.stage == Stage::Buffered {
            return self.scratch.fields.begin(key);
        }
        key.append_to(&mut self.scratch.line);
        &mut self.scratch.line
    }

    #[cold]
    fn late_message(&mut self) -> &mut Vec<u8> {
        if self.stage == Stage::HasContext {
            self.stage = Stage::NeedsMerge;
        }
        self.scratch.message.clear();
        &mut self.scratch.message
    }
}

impl<'a, S: FnMut(&mut Vec<u8>) -> bool> FieldSink<'a> for InPlace<'a, S> {
    #[inline]
    fn callsite(&self) -> &'a Callsite {
        self.callsite
    }

    #[inline]
    fn field(&mut self, key: &Key) -> &mut Vec<u8> {
        if self.stage == Stage::HasContext {
            key.append_to(&mut self.scratch.line);
            return &mut self.scratch.line;
        }
        self.other_field(key)
    }

    #[cold]
    fn part(&mut self, key: &Key) -> &mut Vec<u8> {
        if self.stage == Stage::Opened {
            self.context();
        }
        if self.stage == Stage::HasContext {
            let taken = self.callsite.names_around() | self.parts;
            let may_stand = taken & key.mask() == 0 && self.callsite.redaction.is_none();
            self.parts |= key.mask();
            if !may_stand {
                self.stage = Stage::NeedsMerge;
            }
        }
        self.field(key)
    }

    fn fields(&mut self) -> Option<&mut Fields> {
        (self.stage == Stage::Buffered).then_some(&mut self.scratch.fields)
    }

    #[inline]
    fn message(&mut self) -> &mut Vec<u8> {
        if self.stage != Stage::Opened {
            return self.late_message();
        }
        self.json.begin_message(&mut self.scratch.line);
        self.message.start = self.scratch.line.len();
        &mut self.scratch.line
    }

    fn target(&mut self) -> &mut String {
        &mut self.scratch.target
    }
}
