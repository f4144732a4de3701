//! The protobuf wire format, as much of it as OTLP needs.

/// Writes fields of messages to the end of a buffer.
pub(crate) trait Write {
    fn varint(&mut self, value: u64);
    fn uint(&mut self, field: u32, value: u64);
    fn fixed32(&mut self, field: u32, value: u32);
    fn fixed64(&mut self, field: u32, value: u64);
    fn text(&mut self, field: u32, value: &[u8]);
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
        if length < 0x80 {
            self[at] = length as u8;
        } else {
            let (bytes, used) = length_bytes(length);
            self.splice(at..=at, bytes.into_iter().take(used));
        }
    }
}

/// A varint, and how many of its bytes count.
pub(super) fn length_bytes(length: usize) -> ([u8; 10], usize) {
    let mut bytes = [0; 10];
    let mut used = 0;
    let mut rest = length;
    loop {
        let more = rest >= 0x80;
        bytes[used] = (rest & 0x7f) as u8 | u8::from(more) << 7;
        used += 1;
        rest >>= 7;
        if !more {
            return (bytes, used);
        }
    }
}
