//! The protobuf wire format, as much of it as OTLP needs.

/// Writes fields of messages to the end of a buffer.
pub trait Write {
    /// A number alone, without a field.
    fn varint(&mut self, value: u64);
    /// An integer, a boolean or an enum.
    fn uint(&mut self, field: u32, value: u64);
    /// Four bytes.
    fn fixed32(&mut self, field: u32, value: u32);
    /// Eight bytes: a time, the bits of a double.
    fn fixed64(&mut self, field: u32, value: u64);
    /// A string, or bytes.
    fn text(&mut self, field: u32, value: &[u8]);
    /// A message inside this one, written by the closure.
    fn message(&mut self, field: u32, write: impl FnOnce(&mut Self));
}

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LENGTH: u32 = 2;
const FIXED32: u32 = 5;

impl Write for Vec<u8> {
    #[inline]
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.push(value as u8);
    }

    #[inline]
    fn uint(&mut self, field: u32, value: u64) {
        self.varint(u64::from(field << 3 | VARINT));
        self.varint(value);
    }

    #[inline]
    fn fixed32(&mut self, field: u32, value: u32) {
        self.varint(u64::from(field << 3 | FIXED32));
        self.extend_from_slice(&value.to_le_bytes());
    }

    #[inline]
    fn fixed64(&mut self, field: u32, value: u64) {
        self.varint(u64::from(field << 3 | FIXED64));
        self.extend_from_slice(&value.to_le_bytes());
    }

    #[inline]
    fn text(&mut self, field: u32, value: &[u8]) {
        self.varint(u64::from(field << 3 | LENGTH));
        self.varint(value.len() as u64);
        self.extend_from_slice(value);
    }

    /// The length comes before the message and is known after it: one byte is kept free for it, which
    /// is enough for most, and the message is moved where it is not.
    #[inline]
    fn message(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        self.varint(u64::from(field << 3 | LENGTH));
        let at = self.len();
        self.push(0);
        write(self);
        let length = self.len() - at - 1;
        match self.get_mut(at) {
            Some(byte) if length < 0x80 => *byte = length as u8,
            _ => {
                let (bytes, used) = length_bytes(length);
                self.splice(at..=at, bytes.into_iter().take(used));
            }
        }
    }
}

/// A length as a varint, and how many of its bytes are used.
pub fn length_bytes(length: usize) -> ([u8; 10], usize) {
    let mut bytes = [0; 10];
    let mut used = 0;
    let mut rest = length;
    loop {
        let more = rest >= 0x80;
        if let Some(byte) = bytes.get_mut(used) {
            *byte = (rest & 0x7f) as u8 | u8::from(more) << 7;
        }
        used += 1;
        rest >>= 7;
        if !more {
            return (bytes, used);
        }
    }
}

/// The fields of a message: number and content. Stops at the first malformed field.
pub fn fields(mut message: &[u8]) -> impl Iterator<Item = (u64, Content<'_>)> {
    std::iter::from_fn(move || {
        let tag = read_varint(&mut message)?;
        let content = match tag as u32 & 7 {
            0 => Content::Number(read_varint(&mut message)?),
            1 => Content::Number(u64::from_le_bytes(take(&mut message)?)),
            5 => Content::Number(u64::from(u32::from_le_bytes(take(&mut message)?))),
            2 => {
                let length = usize::try_from(read_varint(&mut message)?).ok()?;
                let (bytes, rest) = message.split_at_checked(length)?;
                message = rest;
                Content::Bytes(bytes)
            }
            _ => return None,
        };
        Some((tag >> 3, content))
    })
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// Of any width, as its bits.
    Number(u64),
    /// A string, bytes, a message, or packed numbers.
    Bytes(&'a [u8]),
}

fn read_varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn take<const N: usize>(message: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, rest) = message.split_first_chunk()?;
    *message = rest;
    Some(*bytes)
}
