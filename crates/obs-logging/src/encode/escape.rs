//! Text inside a JSON string: mostly clean, which is found out eight bytes at a time.

#![allow(unsafe_code, reason = "a short text is written with one check of the room")]

use std::fmt;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends `text` with quotation marks, backslashes and control characters escaped (RFC 8259, 7).
#[inline]
pub(crate) fn escape(out: &mut Vec<u8>, text: &str) {
    if is_all_clean(text.as_bytes()) {
        out.extend_from_slice(text.as_bytes());
    } else {
        escape_rest(out, text.as_bytes());
    }
}

/// A quoted JSON string.
#[inline]
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    if is_all_clean(text.as_bytes()) {
        return quoted(out, text);
    }
    out.push(b'"');
    escape_rest(out, text.as_bytes());
    out.push(b'"');
}

/// A text in which nothing needs an escape, in quotation marks.
#[inline]
pub(crate) fn quoted(out: &mut Vec<u8>, clean: &str) {
    out.reserve(clean.len() + 2);
    let end = out.len() + clean.len() + 2;
    // SAFETY: the room from the length up to `end` was reserved just now and is written whole; `clean`
    // cannot overlap what is borrowed mutably.
    unsafe {
        let to = out.as_mut_ptr().add(out.len());
        to.write(b'"');
        to.add(1).copy_from_nonoverlapping(clean.as_ptr(), clean.len());
        to.add(1 + clean.len()).write(b'"');
        out.set_len(end);
    }
}

/// Whether nothing needs an escape: word by word, the last word overlapping the one before.
#[inline]
fn is_all_clean(bytes: &[u8]) -> bool {
    match bytes.last_chunk::<8>() {
        Some(last) => {
            let words = bytes.as_chunks::<8>().0;
            words.iter().all(|word| is_clean(u64::from_le_bytes(*word)))
                && is_clean(u64::from_le_bytes(*last))
        }
        None => is_short_clean(bytes),
    }
}

/// As [`is_all_clean`], of less than eight bytes: from four on as one word of two overlapping halves.
#[inline]
fn is_short_clean(bytes: &[u8]) -> bool {
    match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            let [first, last] = [first, last].map(|half| u64::from(u32::from_le_bytes(*half)));
            is_clean(first << 32 | last)
        }
        _ => !bytes.iter().any(|byte| needs_escape(*byte)),
    }
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
