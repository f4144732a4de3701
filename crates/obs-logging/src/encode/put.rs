//! Short texts at the end of a buffer: one check of the room, no call of the system's `memcpy`, which
//! costs more than what it copies.

#![allow(unsafe_code, reason = "writes into room that was reserved once for the whole text")]

/// A short text in a block that is copied whole, of which the first bytes count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Block<N> {
    /// `None` where the text is longer than the block.
    pub(crate) fn new(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; N];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self { bytes, len: text.len() })
    }

    #[inline]
    pub(crate) fn append_to(&self, out: &mut Vec<u8>) {
        first(out, self.bytes, self.len);
    }
}

/// Appends the first `len` bytes, or all where there are fewer.
#[inline]
pub(crate) fn first<const N: usize>(out: &mut Vec<u8>, bytes: [u8; N], len: usize) {
    out.reserve(N);
    let end = out.len() + len.min(N);
    // SAFETY: there is room for N bytes, all of which are written, and at most all of which now count.
    unsafe {
        out.as_mut_ptr().add(out.len()).cast::<[u8; N]>().write(bytes);
        out.set_len(end);
    }
}

/// Appends a text that is short most of the time.
#[inline]
pub(crate) fn short(out: &mut Vec<u8>, text: &[u8]) {
    if text.len() > 32 {
        return out.extend_from_slice(text);
    }
    out.reserve(32);
    let end = out.len() + text.len();
    // SAFETY: there is room for 32 bytes, more than are written and than now count.
    unsafe {
        copy(out.as_mut_ptr().add(out.len()), text);
        out.set_len(end);
    }
}

/// Appends a text in quotation marks if nothing in it needs an escape; else does nothing.
#[inline]
pub(crate) fn quoted_if_clean(out: &mut Vec<u8>, text: &[u8]) -> bool {
    out.reserve(text.len() + 2);
    let end = out.len() + text.len() + 2;
    // SAFETY: there is room for the text and two bytes; all of them are written before they count.
    unsafe {
        let to = out.as_mut_ptr().add(out.len());
        if !copy_if_clean(to.add(1), text) {
            return false;
        }
        to.write(b'"');
        to.add(1 + text.len()).write(b'"');
        out.set_len(end);
    }
    true
}

/// Appends a text if nothing in it needs an escape; else does nothing.
#[inline]
pub(crate) fn put_if_clean(out: &mut Vec<u8>, text: &[u8]) -> bool {
    out.reserve(text.len());
    let end = out.len() + text.len();
    // SAFETY: there is room for the text; all of it is written before it counts.
    unsafe {
        if !copy_if_clean(out.as_mut_ptr().add(out.len()), text) {
            return false;
        }
        out.set_len(end);
    }
    true
}

/// Copies at most 32 bytes, as two halves that overlap.
///
/// # Safety
/// `text` is no longer than 32 bytes, and `to` has room for it.
#[inline]
unsafe fn copy(to: *mut u8, text: &[u8]) {
    // SAFETY: each of the two stores ends within `text.len()` bytes.
    unsafe {
        if let (Some(first), Some(last)) = (text.first_chunk::<16>(), text.last_chunk::<16>()) {
            to.cast::<[u8; 16]>().write(*first);
            to.add(text.len() - 16).cast::<[u8; 16]>().write(*last);
        } else if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>())
        {
            to.cast::<[u8; 8]>().write(*first);
            to.add(text.len() - 8).cast::<[u8; 8]>().write(*last);
        } else if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>())
        {
            to.cast::<[u8; 4]>().write(*first);
            to.add(text.len() - 4).cast::<[u8; 4]>().write(*last);
        } else {
            for (at, byte) in text.iter().enumerate() {
                to.add(at).write(*byte);
            }
        }
    }
}

/// Copies the text, or a part of it, and answers whether nothing in it needs an escape.
///
/// # Safety
/// `to` has room for `text`.
#[inline]
unsafe fn copy_if_clean(to: *mut u8, text: &[u8]) -> bool {
    let Some(last) = text.last_chunk::<16>() else {
        // SAFETY: the text is shorter than 16 bytes, and there is room for it.
        return unsafe { copy_short_if_clean(to, text) };
    };
    // SAFETY: each store ends within `text.len()` bytes.
    unsafe {
        for (at, block) in text.as_chunks::<16>().0.iter().enumerate() {
            if !is_clean(block) {
                return false;
            }
            to.add(at * 16).cast::<[u8; 16]>().write(*block);
        }
        to.add(text.len() - 16).cast::<[u8; 16]>().write(*last);
    }
    is_clean(last)
}

/// As [`copy_if_clean`], in two halves that overlap.
///
/// # Safety
/// `to` has room for `text`, which is shorter than 16 bytes.
#[inline]
unsafe fn copy_short_if_clean(to: *mut u8, text: &[u8]) -> bool {
    let mut block = [b' '; 16];
    // SAFETY: each store ends within `text.len()` bytes.
    unsafe {
        if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
            block[..8].copy_from_slice(first);
            block[8..].copy_from_slice(last);
            to.cast::<[u8; 8]>().write(*first);
            to.add(text.len() - 8).cast::<[u8; 8]>().write(*last);
        } else if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>())
        {
            block[..4].copy_from_slice(first);
            block[4..8].copy_from_slice(last);
            to.cast::<[u8; 4]>().write(*first);
            to.add(text.len() - 4).cast::<[u8; 4]>().write(*last);
        } else {
            for (at, byte) in text.iter().enumerate() {
                to.add(at).write(*byte);
            }
            return !text.iter().any(|byte| needs_escape(*byte));
        }
    }
    is_clean(&block)
}

/// Whether none of the bytes needs an escape. Without a branch, so that all are compared at once.
#[inline]
fn is_clean(block: &[u8; 16]) -> bool {
    block.iter().fold(0, |found, byte| found | u8::from(needs_escape(*byte))) == 0
}

/// Whether a byte cannot stand in a JSON string as it is.
#[inline]
pub(crate) const fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_any_length_are_appended_whole() {
        for len in 0..100 {
            let text: Vec<u8> = (0..len).map(|at| b'a' + at % 26).collect();
            let mut out = b"before".to_vec();
            short(&mut out, &text);
            assert!(put_if_clean(&mut out, &text) && quoted_if_clean(&mut out, &text));
            let expected = [b"before", &*text, &text, b"\"", &text, b"\""].concat();
            assert_eq!(out, expected, "{len}");
            let block = Block::<32>::new(&text);
            assert_eq!(block.is_some(), len <= 32);
            let mut out = Vec::new();
            block.iter().for_each(|block| block.append_to(&mut out));
            assert_eq!(out, if len <= 32 { &*text } else { b"" });
        }
    }

    #[test]
    fn byte_needing_escape_is_found_at_any_position() {
        for len in 1..40 {
            for at in 0..len {
                for byte in 0..=255_u8 {
                    let mut text = vec![b'x'; len];
                    text[at] = byte;
                    let mut out = Vec::new();
                    assert_eq!(put_if_clean(&mut out, &text), !needs_escape(byte));
                    assert_eq!(out.is_empty(), needs_escape(byte));
                }
            }
        }
    }
}
