//! Within a scope a value is formatted once.

use std::cell::Cell;
use std::fmt;

use obs_guard::once::{debug_once, format_again, scope};

/// Says how often it was asked.
#[derive(Default)]
struct Counting(Cell<u32>, bool);

impl fmt::Debug for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.set(self.0.get() + 1);
        if self.1 {
            format_again();
        }
        let inner = scope(9, || debug_once(0, &"inner", |text| text.to_string()));
        write!(f, "{} {inner}", self.0.get())
    }
}

fn read(field: usize, value: &dyn fmt::Debug) -> String {
    debug_once(field, value, |text| text.to_string())
}

#[test]
fn debug_once_within_scope_keeps_first_text() {
    let (value, other) = (Counting::default(), Counting::default());
    scope(100, || {
        assert_eq!(read(0, &value), r#"1 "inner""#);
        assert_eq!(read(1, &other), r#"1 "inner""#);
        assert_eq!(read(0, &value), r#"1 "inner""#);
    });
    assert_eq!(read(0, &value), r#"2 "inner""#);
    scope(100, || assert_eq!(read(0, &value), r#"3 "inner""#));
}

#[test]
fn debug_once_separates_two_fields_of_one_address() {
    let texts = scope(100, || [1_u128, 2].map(|number| read(number as usize, &number)));
    assert_eq!(texts, ["1", "2"]);
}

#[test]
fn format_again_formats_for_each_reader() {
    let value = Counting(Cell::new(0), true);
    let texts = scope(100, || [read(0, &value), read(0, &value)]);
    assert_eq!(texts, [r#"1 "inner""#, r#"2 "inner""#]);
}

#[test]
fn debug_text_past_limit_is_formatted_again() {
    let text = "ü".repeat(100);
    let read = scope(9, || [read(0, &text), read(0, &text)]);
    assert_eq!(read[0], read[1]);
    assert!((10..30).contains(&read[0].len()), "{read:?}");
}

#[test]
fn unwinding_scope_restores_outer_scope() {
    let value = Counting::default();
    scope(100, || {
        let first = read(0, &value);
        let unwound =
            std::panic::catch_unwind(|| scope(1, || std::panic::resume_unwind(Box::new(()))));
        assert!(unwound.is_err());
        assert_eq!(read(0, &value), first);
    });
}
