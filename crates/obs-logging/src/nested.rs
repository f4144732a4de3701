//! Values with a structure, as JSON inside of a line.

mod writer;

use std::cell::{Cell, RefCell};
use std::fmt;

use obs_guard::Place;
use obs_guard::once::debug_once;
use valuable::Valuable;

use crate::encode::structure::Structure;
use crate::encode::value;
use crate::processor::redact::redaction_of_texts;
use writer::Writer;

/// The visits of a value are the application's code.
static VALUABLE: Place = Place::new("logging.valuable");

/// A value that a line shows as JSON of its own, not as text: made by [`valuable()`].
#[derive(Clone, Copy)]
pub struct Structured<'a>(&'a dyn Valuable);

/// Shows a value as the JSON object, list or number that it is: `order = ?valuable(&order)`.
///
/// Enums are their variant's name, with `{"Variant":{...}}` around fields; absent options are `null`. What
/// is past 64 KiB, or 32 levels deep, is left out, with a mark. Other layers see what its `Debug` writes;
/// once a layer redacts names, that is JSON without their values, too.
///
/// ```
/// use obs_logging::valuable;
///
/// let items = vec![vec![1, 2], vec![3]];
/// let capture = obs_logging::capture::Capture::new();
/// capture.run(|| tracing::info!(items = ?valuable(&items), "packed"));
/// assert!(matches!(&capture.lines()[0]["items"], obs_logging::capture::Value::List(_)));
/// ```
pub fn valuable(value: &dyn Valuable) -> Structured<'_> {
    Structured(value)
}

thread_local! {
    /// Whether a field is just being formatted, which could be JSON.
    static JSON_REQUESTED: Cell<bool> = const { Cell::new(false) };
    static JSON_RESULT: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

impl fmt::Debug for Structured<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // JSON for one reader is text for another.
        obs_guard::once::format_again();
        if JSON_REQUESTED.take() {
            JSON_RESULT.set(Some(self.json()));
            return Ok(());
        }
        match redaction_of_texts() {
            Some(redaction) => {
                let mut json = self.json();
                redaction.redact_inside(b"", &mut json, 0);
                f.write_str(&String::from_utf8_lossy(&json))
            }
            None => self.0.as_value().fmt(f),
        }
    }
}

impl Structured<'_> {
    fn json(&self) -> Vec<u8> {
        let mut json = Vec::new();
        let mut writer = Writer(Structure::new(&mut json));
        // What came before a panic is kept.
        let _visited = VALUABLE.call(|| writer.value(&self.0.as_value()));
        writer.0.end();
        json
    }
}

/// The value of a field: JSON if it is [`Structured`] and nothing else, else text. `number` is its field's
/// in the callsite, if it has one.
pub(crate) fn field(out: &mut Vec<u8>, number: Option<usize>, shown: &dyn fmt::Debug) {
    let start = out.len();
    let before = JSON_REQUESTED.replace(true);
    formatted(out, number, shown);
    JSON_REQUESTED.set(before);
    let Some(json) = JSON_RESULT.take() else { return };
    let is_alone = out.len() == start + 2;
    out.truncate(start);
    if is_alone {
        out.extend_from_slice(&json);
    } else {
        text(out, None, shown);
    }
}

/// Text, whatever it is made of.
pub(crate) fn text(out: &mut Vec<u8>, number: Option<usize>, shown: &dyn fmt::Debug) {
    let before = JSON_REQUESTED.replace(false);
    formatted(out, number, shown);
    JSON_REQUESTED.set(before);
}

fn formatted(out: &mut Vec<u8>, number: Option<usize>, shown: &dyn fmt::Debug) {
    match number {
        Some(number) => debug_once(number, shown, |shown| value::formatted(out, shown)),
        None => value::formatted(out, format_args!("{shown:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structure_is_json_in_lines_and_text_in_spans() {
        let items = vec![1, 2];
        let shown = valuable(&items);
        let mut out = Vec::new();
        let first = obs_guard::once::scope(100, || {
            let first = debug_once(0, &shown, |text| text.to_string());
            field(&mut out, Some(0), &shown);
            first
        });
        let mut again = [Vec::new(), Vec::new()];
        obs_guard::once::scope(100, || {
            again.iter_mut().for_each(|out| field(out, Some(0), &shown));
        });
        assert_eq!(again, [b"[1,2]", b"[1,2]"], "two lines");
        assert_eq!((first.as_str(), out.as_slice()), ("[1, 2]", b"[1,2]".as_slice()));
    }
}
