//! The texts of an event of level ERROR.

use std::error::Error;
use std::fmt;

use obs_guard::ErrorText;
use obs_guard::once::debug_once;
use tracing::field::{Field, Visit};

use crate::record::{ErrorChain, Limits, write_bounded};

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
        if !is_error_text {
            return;
        }
        let message = ErrorText::parse(text);
        if message.is_message() {
            return;
        }
        let stacktrace = message.backtrace.or(message.location).map(str::to_owned);
        *text = message.chain();
        if let Some(stacktrace) = stacktrace {
            self.stacktrace = stacktrace;
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
