//! Search terms, and the fields that they match.

use serde_json::Value;

use super::bad_filter::BadFilter;
use crate::model::{Attributes, ErrorEvent, LogLine, Span};

/// The longest text of a search.
const MAX_QUERY_BYTES: usize = 1_024;

/// A text that is looked for, whatever its case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needle {
    lower: Box<str>,
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
        Ok(Self { lower: text.to_lowercase().into() })
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
        let Some(first) = needle.first() else { return true };
        text.windows(needle.len()).any(|window| {
            window.first().is_some_and(|byte| byte.to_ascii_lowercase() == *first)
                && window.eq_ignore_ascii_case(needle)
        })
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
