//! Values that must not be seen.

#[cfg(feature = "valuable")]
use std::sync::{Mutex, PoisonError};

use std::sync::Arc;

use crate::context::fields::{Fields, Key, is_reserved};
use crate::context::split;
use crate::encode::escape::escape;
use crate::encode::value;
use crate::visitor::REDACTED;

/// Structures deeper than any that this crate writes are replaced whole.
const MAX_DEPTH: usize = 64;

/// Names whose values are replaced: in any case of letters, also as the last parts of a dotted name.
/// A value inside of another has the dotted name of the way to it; positions in lists do not count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Redaction(Arc<Vec<Box<[u8]>>>);

impl Redaction {
    pub(crate) fn add(&mut self, names: impl IntoIterator<Item = impl Into<String>>) {
        let known = Arc::make_mut(&mut self.0);
        for name in names {
            let name = name.into();
            let mut escaped = Vec::new();
            escape(&mut escaped, &name);
            if is_reserved(&name) {
                known.push([&escaped[..], b"_"].concat().into());
            }
            known.push(escaped.into());
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the fields have one of the names, whatever its value is.
    pub(crate) fn names_one_of(&self, fields: &Fields) -> bool {
        !self.0.is_empty() && fields.iter().any(|(name, _)| self.matches(name))
    }

    /// Whether the name, as it stands in a line, is one of those.
    pub(crate) fn matches(&self, name: &[u8]) -> bool {
        self.0.iter().any(|redacted| {
            let Some(before) = name.len().checked_sub(redacted.len()) else { return false };
            name[before..].eq_ignore_ascii_case(redacted)
                && (before == 0 || name[before - 1] == b'.')
        })
    }

    #[inline]
    pub(super) fn concerns(&self, parts: &[&Fields]) -> bool {
        !self.0.is_empty()
            && parts.iter().any(|part| part.iter().any(|(name, value)| self.is_shown(name, value)))
    }

    pub(super) fn apply(&self, fields: &mut Fields) {
        if self.0.is_empty() {
            return;
        }
        let found = fields.iter().filter(|(name, value)| self.is_shown(name, value));
        let found: Vec<_> = found
            .map(|(name, value)| {
                let mut value = value.to_vec();
                self.redact_value(name, &mut value, 0);
                (Key::of_escaped(name), value)
            })
            .collect();
        for (name, value) in found {
            fields.begin(&name).extend_from_slice(&value);
        }
    }

    /// Whether something is to be replaced in the value, or the value itself.
    fn is_shown(&self, name: &[u8], value: &[u8]) -> bool {
        if self.matches(name) {
            return !is_redacted(value);
        }
        has_inside(value) && {
            let mut path = name.to_vec();
            self.replaced(&mut path, value, &mut Vec::new(), 0)
        }
    }

    fn redact_value(&self, name: &[u8], out: &mut Vec<u8>, start: usize) {
        if self.matches(name) {
            out.truncate(start);
            value::text(out, REDACTED);
        } else {
            self.redact_inside(name, out, start);
        }
    }

    /// Replaces what must not be seen inside of the value that begins at `start`.
    pub(crate) fn redact_inside(&self, name: &[u8], out: &mut Vec<u8>, start: usize) {
        let Some(json) = out.get(start..).filter(|json| has_inside(json)) else { return };
        let mut redacted = Vec::with_capacity(json.len());
        if self.replaced(&mut name.to_vec(), json, &mut redacted, 0) {
            out.truncate(start);
            out.extend_from_slice(&redacted);
        }
    }

    /// Appends the value without what must not be seen; answers whether anything was replaced.
    fn replaced(&self, path: &mut Vec<u8>, json: &[u8], out: &mut Vec<u8>, depth: usize) -> bool {
        let (Some(open), Some((close, mut rest))) = (json.first(), inside(json)) else {
            out.extend_from_slice(json);
            return false;
        };
        if depth == MAX_DEPTH {
            value::text(out, REDACTED);
            return true;
        }
        let mut was_replaced = false;
        out.push(*open);
        while !rest.is_empty() {
            let before = path.len();
            if *open == b'{' {
                let Some((name, behind)) = split::first_name(rest) else { break };
                out.extend_from_slice(&rest[..rest.len() - behind.len()]);
                if !path.is_empty() {
                    path.push(b'.');
                }
                path.extend_from_slice(name);
                rest = behind;
            }
            let shown = split::value(rest);
            if *open == b'{' && self.matches(path) {
                was_replaced |= !is_redacted(shown);
                value::text(out, REDACTED);
            } else {
                was_replaced |= self.replaced(path, shown, out, depth + 1);
            }
            path.truncate(before);
            rest = &rest[shown.len()..];
            if let Some(more) = rest.strip_prefix(b",") {
                out.push(b',');
                rest = more;
            }
        }
        out.push(close);
        was_replaced
    }
}

/// What is between the brackets, and the closing one.
fn inside(json: &[u8]) -> Option<(u8, &[u8])> {
    let close = *json.last()?;
    has_inside(json).then(|| (close, &json[1..json.len() - 1]))
}

/// Whether the value is a list or an object that is not empty.
fn has_inside(value: &[u8]) -> bool {
    matches!(value.first(), Some(b'{' | b'[')) && value.len() > 2
}

fn is_redacted(value: &[u8]) -> bool {
    value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""))
        == Some(REDACTED.as_bytes())
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
        let known = Arc::make_mut(&mut known.get_or_insert_default().0);
        for name in self.0.iter() {
            if !known.contains(name) {
                known.push(name.clone());
            }
        }
    }
}

/// What must not be seen in a structure that is part of a text.
#[cfg(feature = "valuable")]
pub(crate) fn redaction_of_texts() -> Option<Redaction> {
    IN_TEXTS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
