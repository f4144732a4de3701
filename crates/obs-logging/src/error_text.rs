//! Errors of which only the text is known: `%error`, `?error`, what `#[instrument(err)]` logs. They get the fields of
//! an error all the same: message, causes and backtrace, as far as the text tells them.

use obs_guard::ErrorText;

use crate::capture::json;
use crate::capture::value::Value;
use crate::context::fields::{Fields, Key};
use crate::encode::value;
use crate::error_type::Keys;

/// Whether a field of this name is an error.
#[inline]
pub(crate) fn names_error(field: &str) -> bool {
    matches!(field, "error" | "err" | "exception")
}

/// The JSON strings of an error's fields.
pub(crate) struct ErrorFields {
    message: Vec<u8>,
    /// A list.
    chain: Option<Vec<u8>>,
    location: Option<Vec<u8>>,
    backtrace: Option<Vec<u8>>,
}

impl ErrorFields {
    /// Of the text in this JSON string; `None` of any other value.
    #[cold]
    pub(crate) fn parse(json: &[u8]) -> Option<Self> {
        if json.first() != Some(&b'"') {
            return None;
        }
        const BLANK_LINE: &[u8] = b"\\n\\n";
        let has_parts = json.windows(BLANK_LINE.len()).any(|window| window == BLANK_LINE);
        let text = if has_parts { decoded(json) } else { None };
        let text = text.as_deref().map(ErrorText::parse).filter(|text| !text.is_message());
        let Some(text) = text else {
            let message = json.to_vec();
            return Some(Self { message, chain: None, location: None, backtrace: None });
        };
        let string = |text: &str| {
            let mut json = Vec::new();
            value::text(&mut json, text);
            json
        };
        let causes: Vec<_> = text.causes.iter().map(|cause| string(cause)).collect();
        let chain = [b"[".as_slice(), &causes.join(&b','), b"]"].concat();
        Some(Self {
            message: string(text.message),
            chain: (!causes.is_empty()).then_some(chain),
            location: text.location.map(string),
            backtrace: text.backtrace.map(string),
        })
    }

    /// Hands each part to `put`, in the order of a line.
    pub(crate) fn each(self, keys: &Keys, backtraces: bool, mut put: impl FnMut(&Key, &[u8])) {
        put(&keys.message, &self.message);
        for (key, part) in [
            (&keys.chain, self.chain),
            (&keys.location, self.location),
            (&keys.backtrace, self.backtrace.filter(|_| backtraces)),
        ] {
            if let Some(part) = part {
                put(key, &part);
            }
        }
    }
}

/// Adds a bound field: where it is the text of an error, as the fields of that error.
pub(crate) fn add(fields: &mut Fields, name: &str, encode: impl FnOnce(&mut Vec<u8>)) {
    if !names_error(name) {
        return encode(fields.begin(&Key::new(name)));
    }
    let mut json = Vec::new();
    encode(&mut json);
    match ErrorFields::parse(&json) {
        Some(error) => {
            let keys = Keys::new(name);
            keys.parts().into_iter().for_each(|key| fields.remove(key));
            error.each(&keys, true, |key, part| fields.begin(key).extend_from_slice(part));
        }
        None => fields.begin(&Key::new(name)).extend_from_slice(&json),
    }
}

fn decoded(json: &[u8]) -> Option<String> {
    match json::value(std::str::from_utf8(json).ok()?)? {
        Value::Text(text) => Some(text),
        _ => None,
    }
}
