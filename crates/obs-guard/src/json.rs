//! Splits JSON that is known to be well-formed, without building values.

/// The escaped name at the beginning of an object's inside, and what is behind its colon.
pub fn name(fields: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = fields.strip_prefix(b"\"")?;
    let end = end_of_text(rest);
    Some((&rest[..end], rest.get(end + 2..)?))
}

/// The value at the beginning: up to the next comma that is in no text, no list and no object.
pub fn value(rest: &[u8]) -> &[u8] {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = rest.get(at) {
        match byte {
            b'"' => at += 1 + end_of_text(&rest[at + 1..]),
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => break,
            _ => {}
        }
        at += 1;
    }
    &rest[..at.min(rest.len())]
}

/// Where the quotation mark is that ends a text.
fn end_of_text(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}
