//! Functions that the standard library has from Rust 1.91 on.

use std::any::Any;

/// The longest beginning of `text` that is at most `max_bytes` bytes long and ends between two characters.
///
/// ```
/// assert_eq!(obs_guard::truncated("a€", 3), "a");
/// assert_eq!(obs_guard::truncated("a€", 4), "a€");
/// ```
#[inline]
pub fn truncated(text: &str, max_bytes: usize) -> &str {
    // Within four bytes of any place there is a boundary, and 0 is one.
    let end = (0..=max_bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}

/// The message of a panic's payload, where it is a text: what `panic!` makes of its arguments.
pub fn panic_message(payload: &(dyn Any + Send)) -> Option<&str> {
    let text = payload.downcast_ref::<&'static str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncation_at_any_limit_keeps_characters_whole() {
        let text = "ä€😀x";
        for max_bytes in 0..=text.len() + 2 {
            let cut = truncated(text, max_bytes);
            assert!(text.starts_with(cut) && cut.len() <= max_bytes);
            let next = text[cut.len()..].chars().next();
            assert!(next.is_none_or(|next| cut.len() + next.len_utf8() > max_bytes));
        }
    }

    #[test]
    fn panic_message_of_string_is_found() {
        assert_eq!(panic_message(&"a"), Some("a"));
        assert_eq!(panic_message(&"b".to_owned()), Some("b"));
        assert_eq!(panic_message(&3), None);
    }
}
