//! Reads `tracing`'s fields as attributes.

use std::error::Error;
use std::fmt;

use obs_guard::once::debug_once;
use tracing::field::{Field, Visit};

use super::attribute::{AttributeValue, Stored};
use super::data::{Record, SpanKind, Status};
use super::limits::Limits;
use super::write::write_bounded;

/// Writes fields into a record. Fields whose names begin with `otel.` say something about the span
/// itself: `otel.name`, `otel.kind`, `otel.status_code`, `otel.status_description`.
pub(crate) struct FieldRecorder<'a> {
    pub(crate) record: &'a mut Record,
    pub(crate) limits: &'a Limits,
}

impl FieldRecorder<'_> {
    #[inline]
    fn put(&mut self, field: &Field, value: Stored) {
        self.record.put(field.name(), value, self.limits);
    }

    #[inline]
    fn text(&mut self, field: &Field, value: &str) {
        if field.name().starts_with("otel.") && self.special(field.name(), value) {
            return;
        }
        let text = self.record.push_text(value, self.limits);
        self.put(field, Stored::Text(text));
    }

    /// Whether the field was about the span itself.
    #[cold]
    fn special(&mut self, name: &str, value: &str) -> bool {
        match name {
            "otel.name" => self.record.name = Some(self.record.push_text(value, self.limits)),
            "otel.kind" => match kind(value) {
                Some(kind) => self.record.kind = kind,
                None => return false,
            },
            "otel.status_code" => match status(value) {
                Some(status) => self.record.status = status,
                None => return false,
            },
            "otel.status_description" | "otel.status_message" => {
                self.record.status_message = Some(self.record.push_text(value, self.limits));
            }
            _ => return false,
        }
        true
    }
}

impl Visit for FieldRecorder<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Stored::Double(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Stored::Int(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        let stored = self.record.store(AttributeValue::from(value), self.limits);
        self.put(field, stored);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Stored::Bool(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let text = self.record.format(format_args!("{}", ErrorChain(value)), self.limits);
        self.put(field, Stored::Text(text));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name().starts_with("otel.") {
            let mut text = String::new();
            debug_once(field.index(), value, |value| write_bounded(&mut text, value, self.limits));
            self.text(field, &text);
            return;
        }
        let text = debug_once(field.index(), value, |value| self.record.format(value, self.limits));
        self.put(field, Stored::Text(text));
    }
}

/// An error with its sources: `outer: inner: innermost`.
pub(crate) struct ErrorChain<'a>(pub(crate) &'a dyn Error);

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MAX_SOURCES: usize = 16; // a source may, by mistake, lead back to itself
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        for _ in 0..MAX_SOURCES {
            let Some(error) = source else { break };
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

fn kind(text: &str) -> Option<SpanKind> {
    [
        ("internal", SpanKind::Internal),
        ("server", SpanKind::Server),
        ("client", SpanKind::Client),
        ("producer", SpanKind::Producer),
        ("consumer", SpanKind::Consumer),
    ]
    .into_iter()
    .find_map(|(name, kind)| name.eq_ignore_ascii_case(text).then_some(kind))
}

fn status(text: &str) -> Option<Status> {
    [("unset", Status::Unset), ("ok", Status::Ok), ("error", Status::Error)]
        .into_iter()
        .find_map(|(name, status)| name.eq_ignore_ascii_case(text).then_some(status))
}
