//! Fields that are written where they will stand in the line: nothing is copied twice.

use std::ops::Range;

use super::Places;
use crate::callsite::Callsite;
use crate::context::fields::{Fields, Key};
use crate::local::Scratch;
use crate::render::Json;

/// Writes into a line that has been opened: the message, then what surrounds the event, then its fields.
///
/// What surrounds it is known when the message has been formatted, which may change it. Where a name is
/// both there and among the event's, the event's fields are put apart.
pub(crate) struct Straight<'a, S> {
    pub(crate) callsite: &'a Callsite,
    pub(crate) scratch: &'a mut Scratch,
    json: &'a Json,
    surround: S,
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
    /// What surrounds the event is in the line.
    Surrounded,
    /// The same, but a value came that may not simply stand there.
    Astray,
    /// All is in buffers of its own.
    Apart,
}

impl<'a, S: FnMut(&mut Vec<u8>) -> bool> Straight<'a, S> {
    /// `surround` appends what surrounds the event, or answers that its names and those of the callsite
    /// cannot stand one after another.
    pub(crate) fn new(
        callsite: &'a Callsite,
        scratch: &'a mut Scratch,
        json: &'a Json,
        surround: S,
    ) -> Self {
        Self {
            callsite,
            scratch,
            json,
            surround,
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
            self.surround();
        }
        if self.stage == Stage::Surrounded {
            self.scratch.line.extend_from_slice(b"}\n");
            return true;
        }
        if self.stage == Stage::Astray {
            self.scratch.fields = Fields::from_written(&self.scratch.line[self.own..]);
            self.keep_apart();
        }
        false
    }

    #[inline]
    fn surround(&mut self) {
        if self.message.start > 0 {
            self.message.end = self.scratch.line.len();
        }
        if (self.surround)(&mut self.scratch.line) {
            self.own = self.scratch.line.len();
            self.stage = Stage::Surrounded;
        } else {
            self.keep_apart();
        }
    }

    /// The line is begun anew when all is known.
    #[cold]
    fn keep_apart(&mut self) {
        let Scratch { line, message, .. } = &mut *self.scratch;
        if message.is_empty() {
            message.extend_from_slice(&line[self.message.clone()]);
        }
        line.clear();
        self.stage = Stage::Apart;
    }

    #[inline(never)]
    fn other_field(&mut self, key: &Key) -> &mut Vec<u8> {
        if self.stage == Stage::Opened {
            self.surround();
        }
        if self.stage == Stage::Apart {
            return self.scratch.fields.begin(key);
        }
        key.append_to(&mut self.scratch.line);
        &mut self.scratch.line
    }

    #[cold]
    fn late_message(&mut self) -> &mut Vec<u8> {
        if self.stage == Stage::Surrounded {
            self.stage = Stage::Astray;
        }
        self.scratch.message.clear();
        &mut self.scratch.message
    }
}

impl<'a, S: FnMut(&mut Vec<u8>) -> bool> Places<'a> for Straight<'a, S> {
    #[inline]
    fn callsite(&self) -> &'a Callsite {
        self.callsite
    }

    #[inline]
    fn field(&mut self, key: &Key) -> &mut Vec<u8> {
        if self.stage == Stage::Surrounded {
            key.append_to(&mut self.scratch.line);
            return &mut self.scratch.line;
        }
        self.other_field(key)
    }

    #[cold]
    fn part(&mut self, key: &Key) -> &mut Vec<u8> {
        if self.stage == Stage::Opened {
            self.surround();
        }
        if self.stage == Stage::Surrounded {
            let taken = self.callsite.names_around() | self.parts;
            let may_stand = taken & key.mask() == 0 && self.callsite.redaction.is_none();
            self.parts |= key.mask();
            if !may_stand {
                self.stage = Stage::Astray;
            }
        }
        self.field(key)
    }

    fn fields(&mut self) -> Option<&mut Fields> {
        (self.stage == Stage::Apart).then_some(&mut self.scratch.fields)
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
