//! The backtrace of an error that shows it with its text, as anyhow and eyre do.

/// What stands before it, in a JSON string.
const HEAD: &[u8] = b"\\n\\nStack backtrace:\\n";

/// Whether a field of this name is an error.
#[inline]
pub(crate) fn may_have(field: &str) -> bool {
    matches!(field, "error" | "err" | "exception")
}

/// Takes the backtrace out of the JSON string that begins at `start`, and answers it as one of its own.
#[cold]
pub(crate) fn cut(out: &mut Vec<u8>, start: usize) -> Option<Vec<u8>> {
    let text = out.get(start..)?;
    let at = text.windows(HEAD.len()).position(|window| window == HEAD)?;
    let is_string = text.first() == Some(&b'"') && text.last() == Some(&b'"') && text.len() > 1;
    let backtrace = text.get(at + HEAD.len()..).filter(|_| is_string && at > 0)?;
    let backtrace = [b"\"", backtrace].concat();
    out.truncate(start + at);
    out.push(b'"');
    Some(backtrace)
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn a_backtrace_leaves_its_error() {
        let mut line =
            br#","error":"no order\n\nCaused by:\n    gone\n\nStack backtrace:\n   0: main""#
                .to_vec();
        let backtrace = cut(&mut line, 9).unwrap();
        assert_eq!(line, br#","error":"no order\n\nCaused by:\n    gone""#);
        assert_eq!(backtrace, br#""   0: main""#);
        assert_eq!(cut(&mut line, 9), None);
        for mut odd in [&b""[..], b"\"", b"{}", b"7"].map(<[u8]>::to_vec) {
            assert_eq!(cut(&mut odd, 0), None);
        }
    }
}
