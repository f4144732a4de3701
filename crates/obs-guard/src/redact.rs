//! Redaction of secrets, the same for logs and errors.

use std::sync::Arc;

use crate::json;

/// The replacement of a redacted value.
pub const REDACTED: &str = "[redacted]";

/// Structures deeper than any that the pillars write are replaced whole.
const MAX_DEPTH: usize = 64;

/// Names whose values are replaced: in any case of letters, also as the last parts of a dotted name.
/// A value inside of another has the dotted name of the way to it; positions in lists do not count.
///
/// ```
/// use obs_guard::redact::Redaction;
///
/// let mut redaction = Redaction::default();
/// redaction.add("password");
/// let mut json = br#"{"user":{"name":"ada","Password":"hunter2"}}"#.to_vec();
/// redaction.redact_json(b"", &mut json, 0);
/// assert_eq!(json, br#"{"user":{"name":"ada","Password":"[redacted]"}}"#);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Redaction(Arc<Vec<Box<[u8]>>>);

impl Redaction {
    /// Adds a name, as it stands in JSON: escaped.
    pub fn add(&mut self, name: impl AsRef<[u8]>) {
        let name = name.as_ref();
        if !self.0.iter().any(|known| **known == *name) {
            Arc::make_mut(&mut self.0).push(name.into());
        }
    }

    /// Adds the names of another.
    pub fn extend(&mut self, other: &Self) {
        other.0.iter().for_each(|name| self.add(name));
    }

    /// Whether there is no name.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the name, as it stands in JSON, is one of those.
    pub fn matches(&self, name: &[u8]) -> bool {
        self.0.iter().any(|redacted| {
            let Some(before) = name.len().checked_sub(redacted.len()) else { return false };
            name.get(before..).is_some_and(|end| end.eq_ignore_ascii_case(redacted))
                && (before == 0 || name.get(before - 1) == Some(&b'.'))
        })
    }

    /// Whether the value of this name, or a part of it, must be redacted.
    pub fn concerns(&self, name: &[u8], value: &[u8]) -> bool {
        if self.matches(name) {
            return !is_redacted(value);
        }
        is_container(value) && {
            let mut path = name.to_vec();
            self.write_redacted(&mut path, value, &mut Vec::new(), 0)
        }
    }

    /// Redacts the JSON value that begins at `start` and has this name: the value
    /// itself, or parts of it.
    pub fn redact_json(&self, name: &[u8], out: &mut Vec<u8>, start: usize) {
        if !name.is_empty() && self.matches(name) {
            out.truncate(start);
            push_redacted(out);
        } else {
            self.redact_inside(name, out, start);
        }
    }

    /// [`Self::redact_json`] of the parts of the value alone.
    pub fn redact_inside(&self, name: &[u8], out: &mut Vec<u8>, start: usize) {
        let Some(json) = out.get(start..).filter(|json| is_container(json)) else { return };
        let mut redacted = Vec::with_capacity(json.len());
        if self.write_redacted(&mut name.to_vec(), json, &mut redacted, 0) {
            out.truncate(start);
            out.extend_from_slice(&redacted);
        }
    }

    /// Appends the redacted value, and returns whether anything was replaced.
    fn write_redacted(
        &self,
        path: &mut Vec<u8>,
        json: &[u8],
        out: &mut Vec<u8>,
        depth: usize,
    ) -> bool {
        let (Some(open), Some((close, mut rest))) = (json.first(), inside(json)) else {
            out.extend_from_slice(json);
            return false;
        };
        if depth == MAX_DEPTH {
            push_redacted(out);
            return true;
        }
        let mut was_replaced = false;
        out.push(*open);
        while !rest.is_empty() {
            let before = path.len();
            if *open == b'{' {
                let Some((name, behind)) = json::name(rest) else { break };
                out.extend_from_slice(&rest[..rest.len() - behind.len()]);
                if !path.is_empty() {
                    path.push(b'.');
                }
                path.extend_from_slice(name);
                rest = behind;
            }
            let shown = json::value(rest);
            if *open == b'{' && self.matches(path) {
                was_replaced |= !is_redacted(shown);
                push_redacted(out);
            } else {
                was_replaced |= self.write_redacted(path, shown, out, depth + 1);
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
    is_container(json).then(|| (close, &json[1..json.len() - 1]))
}

/// Whether the value is a list or an object that is not empty.
fn is_container(value: &[u8]) -> bool {
    matches!(value.first(), Some(b'{' | b'[')) && value.len() > 2
}

fn is_redacted(value: &[u8]) -> bool {
    value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""))
        == Some(REDACTED.as_bytes())
}

fn push_redacted(out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(REDACTED.as_bytes());
    out.push(b'"');
}
