//! From `tracing`'s values to fields.

use std::error::Error;
use std::fmt;

use tracing_core::Field;
use tracing_core::field::Visit;

use crate::callsite::{Callsite, FieldRole};
use crate::context::fields::Key;
use crate::encode::value;
use crate::local::Scratch;

/// What a value that must not be seen is replaced by.
pub(crate) const REDACTED: &str = "[redacted]";

/// Writes the values of an event or a span into the scratch buffers.
pub(crate) struct Visitor<'a> {
    pub(crate) callsite: &'a Callsite,
    pub(crate) scratch: &'a mut Scratch,
}

impl Visitor<'_> {
    /// Where the field's value goes; nowhere when it is not to be seen.
    #[inline]
    fn place(&mut self, field: &Field) -> Option<&mut Vec<u8>> {
        match self.callsite.fields.get(field.index())? {
            FieldRole::Plain(key) => Some(self.scratch.fields.begin(key)),
            FieldRole::Message => {
                self.scratch.message.clear();
                Some(&mut self.scratch.message)
            }
            FieldRole::Redacted(key) => {
                value::text(self.scratch.fields.begin(key), REDACTED);
                None
            }
            FieldRole::Target | FieldRole::Unused => None,
        }
    }

    /// A `log` record's own target.
    #[cold]
    fn note_target(&mut self, field: &Field, value: &str) {
        if let Some(FieldRole::Target) = self.callsite.fields.get(field.index()) {
            self.scratch.target.clear();
            self.scratch.target.push_str(value);
        }
    }
}

impl Visit for Visitor<'_> {
    #[inline]
    fn record_i64(&mut self, field: &Field, value: i64) {
        if let Some(out) = self.place(field) {
            value::signed(out, value);
        }
    }

    #[inline]
    fn record_u64(&mut self, field: &Field, value: u64) {
        if let Some(out) = self.place(field) {
            value::unsigned(out, value);
        }
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        if let Some(out) = self.place(field) {
            value::wide_signed(out, value);
        }
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        if let Some(out) = self.place(field) {
            value::wide_unsigned(out, value);
        }
    }

    #[inline]
    fn record_f64(&mut self, field: &Field, value: f64) {
        if let Some(out) = self.place(field) {
            value::float(out, value);
        }
    }

    #[inline]
    fn record_bool(&mut self, field: &Field, value: bool) {
        if let Some(out) = self.place(field) {
            value::boolean(out, value);
        }
    }

    #[inline]
    fn record_str(&mut self, field: &Field, value: &str) {
        match self.place(field) {
            Some(out) => value::text(out, value),
            None => self.note_target(field, value),
        }
    }

    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        if let Some(out) = self.place(field) {
            value::bytes(out, value);
        }
    }

    /// `error.message`, and `error.chain` where the error has causes.
    fn record_error(&mut self, field: &Field, error: &(dyn Error + 'static)) {
        if !matches!(self.callsite.fields.get(field.index()), Some(FieldRole::Plain(_))) {
            return self.record_debug(field, &format_args!("{error}"));
        }
        error_fields(&mut self.scratch.fields, field.name(), error);
    }

    #[inline]
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if let Some(out) = self.place(field) {
            value::formatted(out, format_args!("{value:?}"));
        }
    }
}

/// `<name>.message`, and `<name>.chain` where the error has causes.
pub(crate) fn error_fields(
    fields: &mut crate::context::fields::Fields,
    name: &str,
    error: &(dyn Error + 'static),
) {
    value::formatted(fields.begin(&Key::with_suffix(name, ".message")), format_args!("{error}"));
    if error.source().is_some() {
        value::chain(fields.begin(&Key::with_suffix(name, ".chain")), error);
    }
}
