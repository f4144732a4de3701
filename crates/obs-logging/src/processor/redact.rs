//! Values that must not be seen.

#[cfg(feature = "valuable")]
use std::sync::{Mutex, PoisonError};

use obs_guard::redact;

use crate::context::fields::{Fields, Key, is_reserved};
use crate::encode::escape::escape;

/// The names whose values are replaced, as they stand in a line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Redaction(redact::Redaction);

impl Redaction {
    pub(crate) fn add(&mut self, names: impl IntoIterator<Item = impl Into<String>>) {
        for name in names {
            let name = name.into();
            let mut escaped = Vec::new();
            escape(&mut escaped, &name);
            if is_reserved(&name) {
                self.0.add([&escaped[..], b"_"].concat());
            }
            self.0.add(escaped);
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the fields have one of the names, whatever its value is.
    pub(crate) fn names_one_of(&self, fields: &Fields) -> bool {
        !self.0.is_empty() && fields.iter().any(|(name, _)| self.matches(name))
    }

    /// Whether the name, as it stands in a line, is one of those.
    pub(crate) fn matches(&self, name: &[u8]) -> bool {
        self.0.matches(name)
    }

    #[inline]
    pub(super) fn concerns(&self, parts: &[&Fields]) -> bool {
        let shows = |part: &&Fields| part.iter().any(|(name, value)| self.0.concerns(name, value));
        !self.0.is_empty() && parts.iter().any(shows)
    }

    pub(super) fn apply(&self, fields: &mut Fields) {
        if self.0.is_empty() {
            return;
        }
        let found = fields.iter().filter(|(name, value)| self.0.concerns(name, value));
        let found: Vec<_> = found
            .map(|(name, value)| {
                let mut value = value.to_vec();
                self.0.redact_json(name, &mut value, 0);
                (Key::of_escaped(name), value)
            })
            .collect();
        for (name, value) in found {
            fields.begin(&name).extend_from_slice(&value);
        }
    }

    /// Replaces what must not be seen inside of the value that begins at `start`.
    #[cfg(feature = "valuable")]
    pub(crate) fn redact_inside(&self, name: &[u8], out: &mut Vec<u8>, start: usize) {
        self.0.redact_inside(name, out, start);
    }
}

/// The names that any layer of the process redacts: a structure that is part of a text does not know
/// whose text that is.
#[cfg(feature = "valuable")]
static IN_TEXTS: Mutex<Option<Redaction>> = Mutex::new(None);

impl Redaction {
    /// Has the names redacted in texts, too, from now on.
    #[cfg(feature = "valuable")]
    pub(crate) fn apply_to_texts(&self) {
        if self.is_empty() {
            return;
        }
        let mut known = IN_TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
        known.get_or_insert_default().0.extend(&self.0);
    }
}

/// What must not be seen in a structure that is part of a text.
#[cfg(feature = "valuable")]
pub(crate) fn redaction_of_texts() -> Option<Redaction> {
    IN_TEXTS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
