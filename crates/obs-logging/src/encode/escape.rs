//! Text inside a JSON string: mostly clean, and then copied as it is.

use std::fmt;

use super::put::{needs_escape, put_if_clean, quoted_if_clean};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends `text` with quotation marks, backslashes and control characters escaped (RFC 8259, 7).
#[inline]
pub(crate) fn escape(out: &mut Vec<u8>, text: &str) {
    if !put_if_clean(out, text.as_bytes()) {
        escape_rest(out, text.as_bytes());
    }
}

/// A quoted JSON string.
#[inline]
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    if !quoted_if_clean(out, text.as_bytes()) {
        out.push(b'"');
        escape_rest(out, text.as_bytes());
        out.push(b'"');
    }
}

#[cold]
fn escape_rest(out: &mut Vec<u8>, mut rest: &[u8]) {
    while let Some(clean) = rest.iter().position(|byte| needs_escape(*byte)) {
        out.extend_from_slice(&rest[..clean]);
        match rest[clean] {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            byte => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
        rest = &rest[clean + 1..];
    }
    out.extend_from_slice(rest);
}

/// Escapes what is formatted into it, and stops formatting once `room` bytes are used up.
pub(crate) struct Escaping<'a> {
    pub(crate) out: &'a mut Vec<u8>,
    room: usize,
    /// Whether something found no room.
    pub(crate) is_cut: bool,
}

impl<'a> Escaping<'a> {
    #[inline]
    pub(crate) fn new(out: &'a mut Vec<u8>, room: usize) -> Self {
        Self { out, room, is_cut: false }
    }
}

impl fmt::Write for Escaping<'_> {
    #[inline]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.len() > self.room {
            escape(self.out, obs_guard::truncated(text, self.room));
            self.room = 0;
            self.is_cut = true;
            return Err(fmt::Error);
        }
        self.room -= text.len();
        escape(self.out, text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::string;

    #[test]
    fn ascii_byte_at_any_offset_parses_back() {
        for offset in 0..17 {
            for byte in 0..128_u8 {
                let text = format!("{}{}tail", "x".repeat(offset), char::from(byte));
                let mut out = Vec::new();
                string(&mut out, &text);
                assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
            }
        }
    }
}
