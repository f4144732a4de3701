//! The texts of an event or an error. The application's code writes them; each is bounded while it is written.

use std::error::Error;
use std::fmt::{self, Write};

use obs_guard::once::debug_once;
use obs_guard::{ErrorText, Place, truncated, write_args, write_debug, write_display};
use tracing::field::{Field, Visit};

use crate::fields::Fields;
use crate::report::Cause;

/// Bytes of a message, and of one cause.
const MAX_TEXT_BYTES: usize = 8 * 1024;
/// Bytes of a backtrace's text.
const MAX_BACKTRACE_BYTES: usize = 64 * 1024;
/// Bytes of all fields.
const MAX_FIELDS_BYTES: usize = 16 * 1024;
/// Causes of one error.
const MAX_CAUSES: usize = 16;

static SOURCE: Place = Place::new("errors.source");

/// The texts and fields of an error.
#[derive(Debug, Default)]
pub(crate) struct ErrorDetails {
    pub(crate) message: String,
    pub(crate) chain: Vec<Cause>,
    /// See [`Fields`].
    pub(crate) fields: String,
    /// The text of the error's own backtrace.
    pub(crate) backtrace: Option<String>,
}

impl ErrorDetails {
    /// The message, or the first error's where there is none.
    pub(crate) fn summary(&self) -> &str {
        match (self.message.is_empty(), self.chain.first()) {
            (true, Some(error)) => &error.message,
            _ => &self.message,
        }
    }

    /// The value of `error.type`.
    pub(crate) fn error_type(&self) -> &str {
        self.chain.first().map_or("error", |error| &error.kind)
    }

    fn put(&mut self, field: &Field, value: &dyn fmt::Display) {
        if self.fields.len() > MAX_FIELDS_BYTES {
            return;
        }
        self.fields.push_str(field.name());
        self.fields.push(Fields::UNIT_SEPARATOR);
        let start = self.fields.len();
        write_display(&mut self.fields, value, MAX_TEXT_BYTES);
        Fields::replace_separators(&mut self.fields, start);
        self.fields.push(Fields::RECORD_SEPARATOR);
    }

    fn put_number(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if self.fields.len() > MAX_FIELDS_BYTES {
            return;
        }
        self.fields.push_str(field.name());
        self.fields.extend([Fields::UNIT_SEPARATOR, Fields::JSON_MARK]);
        let _infallible = self.fields.write_fmt(value);
        self.fields.push(Fields::RECORD_SEPARATOR);
    }
}

impl Visit for ErrorDetails {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put_number(field, format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put_number(field, format_args!("{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        match value.is_finite() {
            true => self.put_number(field, format_args!("{value}")),
            false => self.put(field, &value),
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put_number(field, format_args!("{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => {
                write_display(&mut self.message, &value, MAX_TEXT_BYTES);
            }
            name if is_error(name) => {
                (self.chain, self.backtrace) =
                    causes_from_debug(truncated(value, MAX_BACKTRACE_BYTES));
            }
            _ => self.put(field, &value),
        }
    }

    fn record_error(&mut self, _: &Field, value: &(dyn Error + 'static)) {
        self.chain = chain(value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        debug_once(field.index(), value, |value| match field.name() {
            "message" => {
                self.message.clear();
                write_args(&mut self.message, format_args!("{value}"), MAX_TEXT_BYTES);
            }
            name if is_error(name) => {
                let mut text = String::new();
                write_args(&mut text, format_args!("{value}"), MAX_BACKTRACE_BYTES);
                (self.chain, self.backtrace) = causes_from_debug(&text);
            }
            _ => self.put(field, &value),
        });
    }
}

fn is_error(name: &str) -> bool {
    matches!(name, "error" | "err" | "exception")
}

/// An error with its causes, the outermost first.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> Vec<Cause> {
    let mut chain = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next.filter(|_| chain.len() < MAX_CAUSES) {
        let mut message = String::new();
        write_display(&mut message, &error, MAX_TEXT_BYTES);
        chain.push(Cause { kind: type_name_of(error), message });
        next = SOURCE.call(|| error.source()).flatten();
    }
    chain
}

/// The type name of a `dyn Error`: the start of its `Debug`, as `derive` writes it.
fn type_name_of(error: &(dyn Error + 'static)) -> String {
    if error.is::<std::io::Error>() {
        return "std::io::Error".to_owned();
    }
    let mut debug = String::new();
    write_debug(&mut debug, &error, 128);
    type_name_in_debug(&debug)
}

fn type_name_in_debug(debug: &str) -> String {
    let end = debug.find(|symbol: char| !(symbol.is_alphanumeric() || matches!(symbol, '_' | ':')));
    let name = debug.get(..end.unwrap_or(debug.len())).unwrap_or_default();
    let behind = debug.get(name.len()..).unwrap_or_default().trim_start();
    // Of a struct, a tuple or a unit; not of a sentence.
    let is_name = name.starts_with(|first: char| first.is_ascii_uppercase())
        && (behind.is_empty() || behind.starts_with(['(', '{']));
    if is_name { name.to_owned() } else { "Error".to_owned() }
}

/// An error of which only the text is known.
fn cause_from_text(message: &str) -> Cause {
    Cause { kind: "Error".to_owned(), message: truncated(message, MAX_TEXT_BYTES).to_owned() }
}

/// An error that was recorded with `?`: as `derive(Debug)` writes it, or as anyhow and eyre do, with the
/// causes and the backtrace behind the message.
fn causes_from_debug(text: &str) -> (Vec<Cause>, Option<String>) {
    let told = ErrorText::parse(text);
    let backtrace = told.backtrace.map(str::to_owned);
    if told.causes.is_empty() {
        let kind = type_name_in_debug(told.message);
        return (vec![Cause { kind, ..cause_from_text(told.message) }], backtrace);
    }
    let texts = [told.message].into_iter().chain(told.causes.iter().map(String::as_str));
    (texts.take(MAX_CAUSES).map(cause_from_text).collect(), backtrace)
}

/// The text without the parts that differ between errors of one kind: numbers, ids, quoted texts.
pub(crate) fn normalized(text: &str) -> String {
    const MAX_TEXT_BYTES: usize = 256;
    let mut out = String::new();
    let mut rest = truncated(text, 4 * MAX_TEXT_BYTES);
    while let Some(first) = rest.chars().next().filter(|_| out.len() < MAX_TEXT_BYTES) {
        let quoted = match first {
            '"' | '\'' | '`' => rest.get(1..).and_then(|inner| inner.find(first)),
            _ => None,
        };
        let length = if let Some(length) = quoted {
            out.push(first);
            out.push('…');
            out.push(first);
            length + 2
        } else if first.is_alphanumeric() {
            let length = rest.find(|symbol: char| !(symbol.is_alphanumeric() || symbol == '_'));
            let length = length.unwrap_or(rest.len());
            let word = rest.get(..length).unwrap_or_default();
            out.push_str(if word.contains(|symbol: char| symbol.is_numeric()) {
                "#"
            } else {
                word
            });
            length
        } else {
            out.push(first);
            first.len_utf8()
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_anyhow_is_split_into_causes_and_backtrace() {
        let text = "no order\n\nCaused by:\n    0: the pool is empty\n    1: timed out\n\nStack \
                    backtrace:\n   0: app::main\n";
        let (chain, backtrace) = causes_from_debug(text);
        let messages: Vec<_> = chain.iter().map(|cause| cause.message.as_str()).collect();
        assert_eq!(messages, ["no order", "the pool is empty", "timed out"]);
        assert!(backtrace.unwrap().contains("app::main"));
        let (chain, backtrace) = causes_from_debug("Refused { code: 7 }");
        assert_eq!((chain[0].kind.as_str(), backtrace), ("Refused", None));
        assert_eq!(causes_from_debug("a sentence").0[0].kind, "Error");
    }

    #[test]
    fn normalized_text_has_no_numbers_or_quoted_parts() {
        for (one, other) in [
            ("order 17 failed", "order 4711 failed"),
            ("user 'ada' is unknown", "user 'bob' is unknown"),
            ("id 0af7651916cd43dd is gone", "id b7ad6b7169203331 is gone"),
            ("01a218a1-26f9-7b6e-bb1d-db519529a13c", "0b8c1d2e-26f9-7b6e-bb1d-000029a13c00"),
            ("after 1.5s", "after 20.25s"),
        ] {
            assert_eq!(normalized(one), normalized(other));
        }
        assert_ne!(normalized("order failed"), normalized("payment failed"));
        assert_eq!(normalized("it's \"open"), "it's \"open");
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_text_is_parsed_without_panic(text in "\\PC{0,400}") {
            proptest::prop_assert!(normalized(&text).len() < 2048);
            let (chain, _) = causes_from_debug(&text);
            proptest::prop_assert!(chain.len() <= MAX_CAUSES);
        }
    }
}
