//! Tail mode: unsampled traces are recorded, and kept or dropped at their end.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use obs_guard::Place;

use crate::record::{AttributeValue, EndedSpan, Record, Status, Stored, Tail};

static RULE: Place = Place::new("tracing.tail_rule");

/// The reason of a trace upon which no rule could decide.
pub(crate) const RULE_PANICKED: &str = "rule panicked";

impl Tail {
    /// Keeps traces in which a span has the status ERROR.
    pub fn errors() -> Self {
        Self::nothing().and_errors()
    }

    /// Keeps nothing yet: for rules without errors.
    pub fn nothing() -> Self {
        Self {
            errors: false,
            slower_than: None,
            attributes: Vec::new(),
            rule: None,
            memory: 32 * 1024 * 1024,
        }
    }

    /// Keeps traces in which a span has the status ERROR, too.
    pub fn and_errors(mut self) -> Self {
        self.errors = true;
        self
    }

    /// Keeps traces whose first span in this process took this long or longer.
    pub fn slower_than(mut self, duration: Duration) -> Self {
        self.slower_than = Some(duration);
        self
    }

    /// Keeps traces in which a span has this attribute with this value, compared as text. May be called more
    /// than once: any of them is enough.
    pub fn attribute(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push((key.into(), value.into()));
        self
    }

    /// Keeps traces with a span for which the function returns true. It runs once for each span, where it ends.
    ///
    /// A function that panics does not reach the application: the trace is kept (`sampling.reason` is
    /// `rule panicked`), the panic is counted ([`Counts::rule_panics`](crate::Counts::rule_panics)), and a
    /// warning reports it at intervals.
    pub fn when(mut self, rule: impl Fn(&EndedSpan<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.rule = Some(Arc::new(rule));
        self
    }

    /// Bytes of spans that may wait for their traces' ends. 32 MiB. A trace that finds no room is not
    /// recorded any further, and counted: [`Counts::tail_evicted`](crate::Counts::tail_evicted).
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// Why this span is reason enough to keep its trace.
    pub(crate) fn reason(&self, record: &Record) -> Option<&'static str> {
        let span = EndedSpan(record);
        if self.errors && record.status == Status::Error {
            return Some("error");
        }
        let slow = |least| record.span_context.local_root && span.duration() >= least;
        if self.slower_than.is_some_and(slow) {
            return Some("slow");
        }
        let has = |(key, value): &(String, String)| span.attribute_is(key, value);
        if self.attributes.iter().any(has) {
            return Some("rule");
        }
        let rule = self.rule.as_ref()?;
        match RULE.call(|| rule(&span)) {
            Some(matches) => matches.then_some("rule"),
            None => Some(RULE_PANICKED),
        }
    }
}

impl EndedSpan<'_> {
    /// Its name.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// How long it took.
    pub fn duration(&self) -> Duration {
        let end = self.0.end.unwrap_or(self.0.start);
        end.saturating_duration_since(self.0.start)
    }

    /// How it went.
    pub fn status(&self) -> Status {
        self.0.status
    }

    /// The value of an attribute.
    pub fn attribute(&self, key: &str) -> Option<AttributeValue<'_>> {
        let known = self.0.attributes.iter().find(|known| known.key == key)?;
        Some(known.value.of(&self.0.text))
    }

    fn attribute_is(&self, key: &str, expected: &str) -> bool {
        match self.attribute(key) {
            Some(AttributeValue::Text(text)) => text == expected,
            Some(AttributeValue::Bool(value)) => value.to_string() == expected,
            Some(AttributeValue::Int(value)) => value.to_string() == expected,
            Some(AttributeValue::Double(value)) => value.to_string() == expected,
            None => false,
        }
    }
}

impl Stored {
    /// The value, with its text out of the record's.
    pub(crate) fn of(self, text: &str) -> AttributeValue<'_> {
        match self {
            Self::Bool(value) => AttributeValue::Bool(value),
            Self::Int(value) => AttributeValue::Int(value),
            Self::Double(value) => AttributeValue::Double(value),
            #[cfg(feature = "http")]
            Self::Static(value) => AttributeValue::Text(value),
            Self::Text(value) => AttributeValue::Text(value.of(text)),
        }
    }
}

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rules = Vec::new();
        if self.errors {
            rules.push("errors".to_owned());
        }
        rules.extend(self.slower_than.map(|least| format!("slower than {least:?}")));
        rules.extend(self.attributes.iter().map(|(key, value)| format!("{key} = {value}")));
        if self.rule.is_some() {
            rules.push("a rule of the code's".to_owned());
        }
        write!(f, "tail({}; {} bytes)", rules.join(", "), self.memory)
    }
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tail({self})")
    }
}
