//! From `tracing`'s values to fields.

pub(crate) mod buffered;
pub(crate) mod in_place;
mod sink;

use std::error::Error;
use std::fmt;

#[cfg(not(feature = "valuable"))]
use obs_guard::once::debug_once;
use tracing_core::Field;
use tracing_core::field::Visit;

use crate::callsite::FieldRole;
use crate::context::fields::Key;
use crate::encode::value;
use crate::error_text::ErrorFields;
use crate::error_type::{ErrorKeys, Keys};
use crate::visitor::sink::FieldSink;

pub(crate) use obs_guard::redact::REDACTED;

/// Writes the values of an event or a span to their places.
pub(crate) struct Visitor<P>(pub(crate) P);

impl<'a, P: FieldSink<'a>> Visitor<P> {
    /// Where the field's value goes; nowhere when it is not to be seen.
    #[inline]
    fn place(&mut self, field: &Field) -> Option<&mut Vec<u8>> {
        match self.role(field)? {
            FieldRole::Plain(key, _) | FieldRole::Error(key, _) => Some(self.0.field(key)),
            FieldRole::Message => Some(self.0.message()),
            other => self.no_place(other),
        }
    }

    #[cold]
    fn no_place(&mut self, role: &FieldRole) -> Option<&mut Vec<u8>> {
        if let FieldRole::Redacted(key) = role {
            value::text(self.0.field(key), REDACTED);
        }
        None
    }

    #[inline]
    fn role(&self, field: &Field) -> Option<&'a FieldRole> {
        self.0.callsite().fields.get(field.index())
    }

    /// An error of which only the text is known; any other value stays what it is.
    #[cold]
    fn error_text(&mut self, name: &str, key: &Key, keys: &ErrorKeys, json: &[u8]) {
        let Some(error) = ErrorFields::parse(json) else {
            return self.0.field(key).extend_from_slice(json);
        };
        let keys = keys.of(name);
        self.forget_parts(keys);
        let backtraces = self.0.callsite().backtraces;
        error.each(keys, backtraces, |key, part| self.0.part(key).extend_from_slice(part));
    }

    /// The same field twice: none of the earlier error's.
    fn forget_parts(&mut self, keys: &Keys) {
        if let Some(fields) = self.0.fields() {
            keys.parts().into_iter().for_each(|key| fields.remove(key));
        }
    }

    #[cold]
    fn note_target(&mut self, field: &Field, value: &str) {
        if let Some(FieldRole::Target) = self.role(field) {
            let target = self.0.target();
            target.clear();
            target.push_str(value);
        }
    }
}

impl<'a, P: FieldSink<'a>> Visit for Visitor<P> {
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
        if let Some(FieldRole::Error(key, keys)) = self.role(field) {
            let mut json = Vec::new();
            value::text(&mut json, value);
            return self.error_text(field.name(), key, keys, &json);
        }
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

    /// `error.message`, `error.type` where it is known, and `error.chain` where the error has causes.
    fn record_error(&mut self, field: &Field, error: &(dyn Error + 'static)) {
        let Some(FieldRole::Plain(_, keys) | FieldRole::Error(_, keys)) = self.role(field) else {
            return self.record_debug(field, &format_args!("{error}"));
        };
        let keys = keys.of(field.name());
        self.forget_parts(keys);
        value::formatted(self.0.part(&keys.message), format_args!("{error}"));
        if let Some(name) = self.0.callsite().error_types.name_of(error) {
            value::text(self.0.part(&keys.kind), name);
        }
        if value::source(error).is_some() {
            value::chain(self.0.part(&keys.chain), error);
        }
    }

    #[cfg(not(feature = "valuable"))]
    #[inline]
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if let Some(FieldRole::Error(key, keys)) = self.role(field) {
            let mut json = Vec::new();
            debug_once(field.index(), value, |value| value::formatted(&mut json, value));
            return self.error_text(field.name(), key, keys, &json);
        }
        if let Some(out) = self.place(field) {
            debug_once(field.index(), value, |value| value::formatted(out, value));
        }
    }

    #[cfg(feature = "valuable")]
    #[inline]
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let role = self.role(field);
        let redaction = self.0.callsite().redaction.as_ref();
        if let Some(FieldRole::Error(key, keys)) = role {
            let mut json = Vec::new();
            crate::nested::field(&mut json, Some(field.index()), value);
            if let Some(redaction) = redaction {
                redaction.redact_inside(key.name(), &mut json, 0);
            }
            return self.error_text(field.name(), key, keys, &json);
        }
        let Some(out) = self.place(field) else { return };
        let Some(FieldRole::Plain(key, _)) = role else {
            return crate::nested::text(out, Some(field.index()), value);
        };
        let start = out.len();
        crate::nested::field(out, Some(field.index()), value);
        if let Some(redaction) = redaction {
            redaction.redact_inside(key.name(), out, start);
        }
    }
}
