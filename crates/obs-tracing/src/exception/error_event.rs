//! The texts of an event of level ERROR.

use std::error::Error;
use std::fmt;

use obs_guard::once::debug_once;
use tracing::field::{Field, Visit};

use crate::record::{ErrorChain, Limits, write_bounded};

/// How anyhow and eyre write an error with `?`.
const CAUSES_MARKER: &str = "\n\nCaused by:\n";
const BACKTRACE_MARKER: &str = "\n\nStack backtrace:\n";

/// The target of the events of a panic hook, such as obs-logging's.
const PANIC_TARGET: &str = "panic";

/// The exception of an event of level ERROR.
pub(super) struct ErrorEvent<'a> {
    event: &'a tracing::Event<'a>,
    limits: &'a Limits,
    /// A message and an error may each bring a backtrace.
    room: Limits,
    message: String,
    error: String,
    kind: String,
    stacktrace: String,
    /// The other fields: what there is to say of an event without either.
    rest: String,
}

impl<'a> ErrorEvent<'a> {
    pub(super) fn of(event: &'a tracing::Event<'a>, limits: &'a Limits) -> Self {
        let mut error_event = Self {
            event,
            limits,
            room: Limits { value_length: limits.value_length.saturating_mul(2), ..*limits },
            message: String::new(),
            error: String::new(),
            kind: String::new(),
            stacktrace: String::new(),
            rest: String::new(),
        };
        event.record(&mut error_event);
        error_event
    }

    pub(super) fn kind(&self) -> Option<&str> {
        match self.kind.as_str() {
            "" => (self.event.metadata().target() == PANIC_TARGET).then_some(PANIC_TARGET),
            kind => Some(kind),
        }
    }

    pub(super) fn summary(&self) -> String {
        match (self.message.is_empty(), self.error.is_empty()) {
            (false, false) => format!("{}: {}", self.message, self.error),
            (false, true) => self.message.clone(),
            (true, false) => self.error.clone(),
            (true, true) if self.rest.is_empty() => self.event.metadata().name().to_owned(),
            (true, true) => self.rest.clone(),
        }
    }

    pub(super) fn stacktrace(&self) -> Option<&str> {
        (!self.stacktrace.is_empty()).then_some(&self.stacktrace)
    }

    fn put(&mut self, field: &Field, value: impl fmt::Display) {
        let text = match field.name() {
            "message" => &mut self.message,
            "error" | "err" | "exception" | "exception.message" => &mut self.error,
            "exception.type" => &mut self.kind,
            "backtrace" | "exception.stacktrace" => &mut self.stacktrace,
            name if self.rest.len() < self.limits.value_length as usize => {
                let gap = if self.rest.is_empty() { "" } else { " " };
                self.rest.extend([gap, name, "="]);
                return write_bounded(&mut self.rest, format_args!("{value}"), self.limits);
            }
            _ => return,
        };
        text.clear();
        write_bounded(text, format_args!("{value}"), &self.room);
        let is_error_text = matches!(field.name(), "message" | "error" | "err" | "exception");
        if is_error_text && let Some((message, stacktrace)) = split_debug_text(text) {
            *text = message;
            if let Some(stacktrace) = stacktrace {
                self.stacktrace = stacktrace;
            }
        }
    }
}

impl Visit for ErrorEvent<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put(field, ErrorChain(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        debug_once(field.index(), value, |value| self.put(field, value));
    }
}

/// What anyhow and eyre write, as an error with its sources is written (`outer: inner`), and the backtrace
/// behind it; `None` of any other text.
fn split_debug_text(text: &str) -> Option<(String, Option<String>)> {
    let (message, stacktrace) = match text.split_once(BACKTRACE_MARKER) {
        Some((message, stacktrace)) => (message, Some(stacktrace)),
        None => (text, None),
    };
    let Some((message, causes)) = message.split_once(CAUSES_MARKER) else {
        return Some((message.to_owned(), Some(stacktrace?.to_owned())));
    };
    let mut message = message.to_owned();
    // One cause alone has no number; further lines of a cause have none either.
    let is_numbered = causes.trim_start().starts_with("0: ");
    for (at, line) in causes.lines().enumerate() {
        let line = line.trim_start();
        let numbered = line.split_once(": ").filter(|(number, _)| number.parse::<u8>().is_ok());
        let (gap, line) = match numbered {
            Some((_, cause)) if is_numbered => (": ", cause),
            _ if at == 0 => (": ", line),
            _ => ("\n", line),
        };
        message.extend([gap, line]);
    }
    Some((message, stacktrace.map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use super::split_debug_text;

    #[test]
    fn debug_text_of_anyhow_is_split_into_causes() {
        let two = "no order\n\nCaused by:\n    0: the pool\n       is empty\n    1: 7: timed out";
        assert_eq!(
            split_debug_text(two),
            Some(("no order: the pool\nis empty: 7: timed out".into(), None))
        );
        let one = "no order\n\nCaused by:\n    7: timed out\n\nStack backtrace:\n   0: main\n";
        assert_eq!(
            split_debug_text(one),
            Some(("no order: 7: timed out".into(), Some("   0: main\n".into())))
        );
        assert_eq!(split_debug_text("Refused { code: 7 }"), None);
    }
}
