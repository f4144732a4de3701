//! Attributes of a span and its events: small values beside one text buffer.

use std::ops::Range;

/// A piece of the text that a record keeps in one reused buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TextRange {
    start: u32,
    end: u32,
}

impl TextRange {
    pub(crate) fn new(range: Range<usize>) -> Self {
        Self { start: range.start as u32, end: range.end as u32 }
    }

    pub(crate) fn of(self, buffer: &str) -> &str {
        buffer.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// A value as a record keeps it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stored {
    Bool(bool),
    Int(i64),
    Double(f64),
    #[cfg(feature = "http")]
    Static(&'static str),
    Text(TextRange),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Attribute {
    pub(crate) key: &'static str,
    pub(crate) value: Stored,
}

/// The value of an attribute: a boolean, a number or a text.
///
/// Every function that takes a value takes `impl Into<AttributeValue>`: `true`, `3`, `0.5`, `"text"`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AttributeValue<'a> {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number. A `u64` past `i64::MAX`, which OpenTelemetry cannot hold, becomes a double.
    Int(i64),
    /// A number with a fraction.
    Double(f64),
    /// A text; longer ones than the limit are cut.
    Text(&'a str),
}

macro_rules! from {
    ($variant:ident: $($type:ty),*) => {
        $(impl From<$type> for AttributeValue<'_> {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

from!(Bool: bool);
from!(Int: i64, i32, i16, i8, u32, u16, u8);
from!(Double: f64, f32);

impl From<u64> for AttributeValue<'_> {
    fn from(value: u64) -> Self {
        i64::try_from(value).map_or(Self::Double(value as f64), Self::Int)
    }
}

impl From<usize> for AttributeValue<'_> {
    fn from(value: usize) -> Self {
        Self::from(value as u64)
    }
}

impl<'a> From<&'a str> for AttributeValue<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<&'a String> for AttributeValue<'a> {
    fn from(value: &'a String) -> Self {
        Self::Text(value)
    }
}
