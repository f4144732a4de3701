//! Search terms, and the fields that they match.

use serde_json::Value;

use super::bad_filter::BadFilter;
use crate::model::{Attributes, ErrorEvent, LogLine, Span};

/// Bytes of texts, the most frequent first. A byte that is not listed counts as the rarest.
const FREQUENT: &[u8] = b" etaoinrsd/_.-:=0123456789lhcumpfgbvwykxjqz";
/// The longest text of a search.
const MAX_QUERY_BYTES: usize = 1_024;

/// A text that is looked for, whatever its case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needle {
    lower: Box<str>,
    /// Where its rarest byte is, if it has one.
    rarest: usize,
}

/// An attribute that is asked for: its key, and its value where that matters too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeFilter {
    key: Box<str>,
    value: Option<Box<str>>,
}

impl Needle {
    /// The text, up to 1,024 bytes.
    pub fn new(text: &str) -> Result<Self, BadFilter> {
        if text.len() > MAX_QUERY_BYTES {
            return Err(BadFilter("q is too long: give at most 1,024 bytes"));
        }
        let lower: Box<str> = text.to_lowercase().into();
        let rank = |byte: u8| FREQUENT.iter().position(|it| *it == byte).unwrap_or(FREQUENT.len());
        let rarest = (0..lower.len()).max_by_key(|at| rank(lower.as_bytes()[*at])).unwrap_or(0);
        Ok(Self { lower, rarest })
    }

    /// Whether it is in the text of this id, which is made only for what may be in one.
    pub(super) fn is_in_id(&self, id: impl ToString) -> bool {
        self.lower.bytes().all(|byte| byte.is_ascii_hexdigit()) && self.is_in(&id.to_string())
    }

    /// Whether it is in `text`.
    pub fn is_in(&self, text: &str) -> bool {
        if !self.lower.is_ascii() {
            return text.to_lowercase().contains(&*self.lower);
        }
        let (needle, text) = (self.lower.as_bytes(), text.as_bytes());
        let Some(&rarest) = needle.get(self.rarest) else { return true };
        let Some(places) = (text.len() + 1).checked_sub(needle.len()) else { return false };
        // A match at `n` has its rarest byte at `n` of this slice.
        let candidates = &text[self.rarest..self.rarest + places];
        memchr::memchr2_iter(rarest, rarest.to_ascii_uppercase(), candidates)
            .any(|at| text[at..at + needle.len()].eq_ignore_ascii_case(needle))
    }

    fn is_in_value(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.is_in(text),
            Value::Array(values) => values.iter().any(|value| self.is_in_value(value)),
            Value::Object(map) => {
                map.iter().any(|(key, value)| self.is_in(key) || self.is_in_value(value))
            }
            Value::Null => false,
            value => self.is_in(&value.to_string()),
        }
    }

    pub(super) fn is_in_attributes(&self, attributes: &Attributes) -> bool {
        attributes.iter().any(|(_, value)| self.is_in_value(value))
    }

    pub(super) fn is_in_span(&self, span: &Span) -> bool {
        self.is_in(&span.name)
            || self.is_in(&span.status_message)
            || self.is_in_attributes(&span.attributes)
            || self.is_in_id(span.span_id)
    }

    pub(super) fn is_in_line(&self, line: &LogLine) -> bool {
        self.is_in(&line.event)
            || self.is_in(&line.target)
            || self.is_in_attributes(&line.fields)
            || line.request_id.as_deref().is_some_and(|id| self.is_in(id))
            || line.trace_id.is_some_and(|id| self.is_in_id(id))
    }

    pub(super) fn is_in_error(&self, event: &ErrorEvent) -> bool {
        self.is_in(&event.message)
            || event.exceptions.iter().any(|it| self.is_in(&it.kind) || self.is_in(&it.value))
            || event.transaction.as_deref().is_some_and(|text| self.is_in(text))
            || event.frames.iter().any(|it| self.is_in(&it.function) || self.is_in(&it.file))
            || self.is_in_attributes(&event.tags)
            || event.trace_id.is_some_and(|id| self.is_in_id(id))
    }
}

impl AttributeFilter {
    /// Reads `key:value`, or `key` alone, which asks that there is one. A number or a truth value is given
    /// as its JSON.
    pub fn parse(text: &str) -> Result<Self, BadFilter> {
        let (key, value) = match text.split_once(':') {
            Some((key, value)) => (key, Some(value.into())),
            None => (text, None),
        };
        if key.is_empty() || text.len() > MAX_QUERY_BYTES {
            return Err(BadFilter("attr is not understood: give key:value, or key"));
        }
        Ok(Self { key: key.into(), value })
    }

    pub(super) fn accepts(&self, attributes: &Attributes) -> bool {
        match (attributes.find(&self.key), &self.value) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(Value::String(text)), Some(wanted)) => **text == **wanted,
            (Some(value), Some(wanted)) => *value.to_string() == **wanted,
        }
    }
}
