//! The `baggage` header (W3C Baggage): values that travel with a request through every service.

use std::fmt;
use std::sync::Arc;

use super::tracestate::trim;

const MAX_BYTES: usize = 8192;
const MAX_MEMBERS: usize = 180;

/// Values that travel with a request, such as a tenant's name. A clone is one reference count.
///
/// Everybody downstream can read them, so they are no place for secrets. At most 180 members and
/// 8,192 bytes are carried; what is malformed or past that is left out.
///
/// ```
/// use obs_tracing::propagate::Baggage;
///
/// let baggage = Baggage::new().with("tenant", "Müller & Co");
/// assert_eq!(baggage.value("tenant").as_deref(), Some("Müller & Co"));
/// assert_eq!(baggage.to_string(), "tenant=M%C3%BCller%20&%20Co");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baggage(Option<Arc<str>>);

impl Baggage {
    /// Nothing.
    pub const fn new() -> Self {
        Self(None)
    }

    /// Whether there is nothing in it.
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The value of a key.
    pub fn value(&self, key: &str) -> Option<String> {
        self.members().find(|(known, _)| *known == key).map(|(_, value)| decode(value))
    }

    /// Every key with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, String)> {
        self.members().map(|(key, value)| (key, decode(value)))
    }

    /// The same with one more value, in place of the one of this key. A key that is no token of HTTP,
    /// or a value that no longer fits, changes nothing.
    #[must_use]
    pub fn with(&self, key: &str, value: &str) -> Self {
        if !is_token(key.as_bytes()) {
            return self.clone();
        }
        let mut text = String::new();
        for member in self.text().split(',').filter(|member| !member.is_empty()) {
            if member.split_once('=').is_none_or(|(known, _)| known != key) {
                text.push_str(member);
                text.push(',');
            }
        }
        text.push_str(key);
        text.push('=');
        encode(value, &mut text);
        if text.len() > MAX_BYTES || text.split(',').count() > MAX_MEMBERS {
            return self.clone();
        }
        Self(Some(text.into()))
    }

    /// Adds the members of one header.
    pub(crate) fn add(self, value: &[u8]) -> Self {
        let mut text = self.text().to_owned();
        let room = MAX_MEMBERS - self.members().count();
        for member in value.split(|&byte| byte == b',').filter_map(member).take(room) {
            if text.len() + 1 + member.len() > MAX_BYTES {
                break;
            }
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(&member);
        }
        Self((!text.is_empty()).then(|| text.into()))
    }

    pub(crate) fn text(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// Keys and values as they are in the header, without properties.
    fn members(&self) -> impl Iterator<Item = (&str, &str)> {
        self.text().split(',').filter_map(|member| {
            let (key, value) = member.split_once('=')?;
            Some((key, value.split(';').next().unwrap_or_default()))
        })
    }
}

/// The header's value.
impl fmt::Display for Baggage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// `key=value;properties`, without the white space that is allowed around its parts.
fn member(text: &[u8]) -> Option<String> {
    let mut parts = text.split(|&byte| byte == b';').map(trim);
    let (key, value) = pair(parts.next()?)?;
    let mut kept = format!("{key}={value}");
    for property in parts.filter(|property| !property.is_empty()) {
        kept.push(';');
        match pair(property) {
            Some((key, value)) => kept.extend([key, "=", value]),
            None if is_token(property) => kept.push_str(str::from_utf8(property).ok()?),
            None => return None,
        }
    }
    Some(kept)
}

fn pair(text: &[u8]) -> Option<(&str, &str)> {
    let equals = text.iter().position(|&byte| byte == b'=')?;
    let (key, value) = (trim(&text[..equals]), trim(&text[equals + 1..]));
    let is_one = is_token(key) && value.iter().all(|byte| is_value(*byte));
    is_one.then_some(())?;
    Some((str::from_utf8(key).ok()?, str::from_utf8(value).ok()?))
}

fn is_token(key: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !key.is_empty() && key.iter().all(allowed)
}

fn is_value(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~') && !b"\",;\\".contains(&byte)
}

fn encode(value: &str, text: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value.bytes() {
        if is_value(byte) && byte != b'%' {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            text.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

pub(crate) fn decode(value: &str) -> String {
    let bytes = value.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|&byte| char::from(byte).to_digit(16));
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high << 4 | low) as u8);
                at += 3;
            }
            _ => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
