//! The text of a search, against a search of lower-case copies.

use obs_console::Needle;
use proptest::prelude::*;

proptest! {
    #[test]
    fn needle_is_found_as_in_lower_case_copies(needle in "[aAbBeE1/ ]{0,3}", text in "[aAbBeE1/ é]{0,24}") {
        let expected = text.to_ascii_lowercase().contains(&needle.to_ascii_lowercase());
        let needle = Needle::new(&needle).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(needle.is_in(&text), expected);
    }

    #[test]
    fn needle_beyond_ascii_is_found_as_in_lower_case_copies(needle in "[éÉa]{1,3}", text in "[éÉaA ]{0,12}") {
        let expected = text.to_lowercase().contains(&needle.to_lowercase());
        let needle = Needle::new(&needle).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(needle.is_in(&text), expected);
    }

    #[test]
    fn part_of_text_is_found_in_any_case(text in "[ -~]{1,200}", from in 0_usize..200, length in 1_usize..40) {
        let from = from % text.len();
        let part = &text[from..(from + length).min(text.len())];
        for part in [part.to_ascii_uppercase(), part.to_ascii_lowercase()] {
            let needle = Needle::new(&part).map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert!(needle.is_in(&text), "{part:?}");
            let missing = text.replace(|byte: char| part.ends_with([byte.to_ascii_lowercase(), byte.to_ascii_uppercase()]), "");
            prop_assert!(!needle.is_in(&missing), "{part:?} in {missing:?}");
        }
    }

    #[test]
    fn search_for_any_text_in_any_text_does_not_panic(needle in ".{0,40}", text in ".{0,200}") {
        if let Ok(needle) = Needle::new(&needle) {
            let repeated = needle.is_in(&text.repeat(2));
            prop_assert!(repeated || !needle.is_in(&text));
        }
    }
}
