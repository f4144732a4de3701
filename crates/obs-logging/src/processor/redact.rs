//! Values that must not be seen.

use crate::context::fields::{Fields, Key};
use crate::encode::value;
use crate::visitor::REDACTED;

/// Names whose values are replaced: in any case of letters, also as the last part of a dotted name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Redaction(Vec<Box<str>>);

impl Redaction {
    pub(crate) fn add(&mut self, names: impl IntoIterator<Item = impl Into<String>>) {
        self.0.extend(names.into_iter().map(|name| name.into().into_boxed_str()));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the fields have one of the names, whatever its value is.
    pub(crate) fn names_one_of(&self, fields: &Fields) -> bool {
        !self.0.is_empty() && fields.iter().any(|(name, _)| self.matches(name))
    }

    pub(crate) fn matches(&self, name: &[u8]) -> bool {
        let last = name.rsplit(|byte| *byte == b'.').next().unwrap_or(name);
        let is_one = |redacted: &str| {
            last.eq_ignore_ascii_case(redacted.as_bytes())
                || name.eq_ignore_ascii_case(redacted.as_bytes())
        };
        self.0.iter().any(|redacted| is_one(redacted))
    }

    #[inline]
    pub(super) fn concerns(&self, parts: &[&Fields]) -> bool {
        !self.0.is_empty()
            && parts.iter().any(|part| {
                part.iter().any(|(name, value)| self.matches(name) && !is_redacted(value))
            })
    }

    pub(super) fn apply(&self, fields: &mut Fields) {
        if self.0.is_empty() {
            return;
        }
        let found = fields.iter().filter(|(name, value)| self.matches(name) && !is_redacted(value));
        let names: Vec<_> = found.map(|(name, _)| Key::of_escaped(name)).collect();
        for name in names {
            value::text(fields.begin(&name), REDACTED);
        }
    }
}

fn is_redacted(value: &[u8]) -> bool {
    value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""))
        == Some(REDACTED.as_bytes())
}
