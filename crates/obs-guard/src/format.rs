//! Formatting a value whose `Display` or `Debug` is the application's.

use std::fmt::{self, Debug, Display, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::place::Place;
use crate::text::truncated;

static FORMAT: Place = Place::new("format");

/// How the formatting of a value ended. In each case the text so far is kept; all but
/// [`Formatted::Whole`] add a mark at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Formatted {
    /// The value is there in full.
    Whole,
    /// The limit was reached, the formatter was stopped, and `…` was added.
    Truncated,
    /// The value's `Display` or `Debug` returned an error.
    Failed,
    /// The value's `Display` or `Debug` panicked; counted under the place `format`.
    Panicked,
}

impl Formatted {
    /// What is added to the text, beyond the limit: at most 36 bytes.
    pub const fn mark(self) -> &'static str {
        match self {
            Self::Whole => "",
            Self::Truncated => "…",
            Self::Failed => "<its Debug or Display failed>",
            Self::Panicked => "<its Debug or Display panicked>",
        }
    }
}

/// Appends what `value` displays, at most `limit` bytes of it, to `out`.
///
/// Never unwinds. The text is cut at a character's boundary, and the formatter is stopped there, so that
/// a value of any size costs no more than `limit`.
pub fn write_display(out: &mut dyn Write, value: &dyn Display, limit: usize) -> Formatted {
    write_args(out, format_args!("{value}"), limit)
}

/// As [`write_display`], of the value's `Debug`.
pub fn write_debug(out: &mut dyn Write, value: &dyn Debug, limit: usize) -> Formatted {
    write_args(out, format_args!("{value:?}"), limit)
}

/// As [`write_display`], of `format_args!(..)`.
pub fn write_args(out: &mut dyn Write, value: fmt::Arguments<'_>, limit: usize) -> Formatted {
    let mut limited = Limited { out, room: limit, is_full: false };
    let written = catch_unwind(AssertUnwindSafe(|| limited.write_fmt(value)));
    let is_full = limited.is_full;
    let formatted = match written {
        // A `Display` may swallow the error that stops it.
        _ if is_full => Formatted::Truncated,
        Ok(Ok(())) => Formatted::Whole,
        Ok(Err(_)) => Formatted::Failed,
        Err(_) => Formatted::Panicked,
    };
    if let Err(payload) = written {
        FORMAT.caught(payload);
    }
    if formatted != Formatted::Whole {
        // Writing to memory does not fail; a sink that does has nowhere to put the mark.
        let _no_room_for_the_mark = out.write_str(formatted.mark());
    }
    formatted
}

struct Limited<'a> {
    out: &'a mut dyn Write,
    room: usize,
    is_full: bool,
}

impl Write for Limited<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.is_full {
            return Err(fmt::Error);
        }
        let fitting = truncated(text, self.room);
        self.out.write_str(fitting)?;
        let fitting = fitting.len();
        self.room -= fitting;
        if fitting < text.len() {
            self.is_full = true;
            return Err(fmt::Error);
        }
        Ok(())
    }
}
