//! Text inside a JSON string: clean runs are found eight bytes at a time and copied whole.

use std::fmt;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends `text` with quotation marks, backslashes and control characters escaped (RFC 8259, 7).
#[inline]
pub(crate) fn escape(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let clean = clean_prefix(bytes);
    out.extend_from_slice(&bytes[..clean]);
    if clean < bytes.len() {
        escape_rest(out, &bytes[clean..]);
    }
}

/// A quoted JSON string.
#[inline]
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escape(out, text);
    out.push(b'"');
}

/// How many bytes from the start need no escape.
#[inline]
fn clean_prefix(bytes: &[u8]) -> usize {
    let mut words = bytes.chunks_exact(8);
    let mut at = 0;
    for word in &mut words {
        let mut eight = [0; 8];
        eight.copy_from_slice(word);
        if !is_clean(u64::from_le_bytes(eight)) {
            break;
        }
        at += 8;
    }
    at + bytes[at..].iter().take_while(|byte| !needs_escape(**byte)).count()
}

/// Whether none of eight bytes needs an escape: the usual "has a byte less than" tricks.
#[inline]
const fn is_clean(word: u64) -> bool {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let control = word.wrapping_sub(LOW * 0x20) & !word;
    let quote = word ^ (LOW * b'"' as u64);
    let quote = quote.wrapping_sub(LOW) & !quote;
    let backslash = word ^ (LOW * b'\\' as u64);
    let backslash = backslash.wrapping_sub(LOW) & !backslash;
    (control | quote | backslash) & HIGH == 0
}

#[inline]
const fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

#[cold]
fn escape_rest(out: &mut Vec<u8>, mut rest: &[u8]) {
    while let Some((&byte, after)) = rest.split_first() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
            _ => out.push(byte),
        }
        let clean = clean_prefix(after);
        out.extend_from_slice(&after[..clean]);
        rest = &after[clean..];
    }
}

/// Escapes what is formatted into it, and stops formatting once `room` bytes are used up.
pub(crate) struct Escaping<'a> {
    pub(crate) out: &'a mut Vec<u8>,
    pub(crate) room: usize,
}

impl fmt::Write for Escaping<'_> {
    #[inline]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.len() > self.room {
            let mut end = self.room;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            escape(self.out, &text[..end]);
            self.room = 0;
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
    fn every_byte_of_ascii_survives_at_every_offset() {
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
