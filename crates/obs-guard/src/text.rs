//! What the standard library has from Rust 1.91 on, for older ones.

use std::any::Any;

/// The longest beginning of `text` that is at most `most` bytes long and ends between two characters.
///
/// ```
/// assert_eq!(obs_guard::truncated("a€", 3), "a");
/// assert_eq!(obs_guard::truncated("a€", 4), "a€");
/// ```
#[inline]
pub fn truncated(text: &str, most: usize) -> &str {
    // Within four bytes of any place there is a boundary, and 0 is one.
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
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
    fn a_text_is_cut_between_two_characters_whatever_the_limit() {
        let text = "ä€😀x";
        for most in 0..=text.len() + 2 {
            let cut = truncated(text, most);
            assert!(text.starts_with(cut) && cut.len() <= most);
            let next = text[cut.len()..].chars().next();
            assert!(next.is_none_or(|next| cut.len() + next.len_utf8() > most));
        }
    }

    #[test]
    fn both_kinds_of_messages_are_found_and_no_other_payload() {
        assert_eq!(panic_message(&"a"), Some("a"));
        assert_eq!(panic_message(&"b".to_owned()), Some("b"));
        assert_eq!(panic_message(&3), None);
    }
}
