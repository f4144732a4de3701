//! Values with a structure: as JSON inside of the line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]
#![cfg(feature = "valuable")]

mod common;

use std::collections::BTreeMap;

use common::logged;
use obs_logging::valuable;
use serde_json::json;
use tracing::{info, info_span};
use valuable::{Fields, NamedField, NamedValues, StructDef, Structable, Valuable, Value, Visit};

struct Order {
    id: u64,
    note: Option<&'static str>,
    items: Vec<(String, f64)>,
}

static ORDER: &[NamedField<'static>] =
    &[NamedField::new("id"), NamedField::new("note"), NamedField::new("items")];

impl Valuable for Order {
    fn as_value(&self) -> Value<'_> {
        Value::Structable(self)
    }

    fn visit(&self, visit: &mut dyn Visit) {
        let items = self.items.as_value();
        let values = [self.id.as_value(), self.note.as_value(), items];
        visit.visit_named_fields(&NamedValues::new(ORDER, &values));
    }
}

impl Structable for Order {
    fn definition(&self) -> StructDef<'_> {
        StructDef::new_static("Order", Fields::Named(ORDER))
    }
}

fn order() -> Order {
    Order { id: 7, note: None, items: vec![("te\"a".into(), 2.5), ("b\n".into(), f64::NAN)] }
}

#[test]
fn valuable_is_json_in_line() {
    let expected = json!({"id": 7, "note": null, "items": [["te\"a", 2.5], ["b\n", "NaN"]]});
    let lines = logged(|| {
        let map = BTreeMap::from([("a", vec![1, 2]), ("b", vec![])]);
        info!(order = ?valuable(&order()), map = ?valuable(&map), after = true, "placed");
        let _span = info_span!("span", in_span = ?valuable(&order())).entered();
        info!(order = ?valuable(&order()), in_span = 1, "in a span");
    })
    .lines();
    assert_eq!(lines[0]["order"], expected);
    assert_eq!(lines[0]["map"], json!({"a": [1, 2], "b": []}));
    assert_eq!(lines[0]["after"], true);
    assert_eq!((&lines[1]["order"], &lines[1]["in_span"]), (&expected, &json!(1)));
}

#[test]
fn valuable_within_other_text_is_text() {
    let line = logged(|| {
        info!(some = ?Some(valuable(&order())), "order {:?}", valuable(&1));
    })
    .line();
    assert!(line["some"].as_str().unwrap().starts_with("Some("), "{line:?}");
    assert_eq!(line["event"], "order 1");
}

#[test]
fn deep_long_or_panicking_valuable_is_marked() {
    struct Deep(u32);
    impl Valuable for Deep {
        fn as_value(&self) -> Value<'_> {
            Value::Listable(self)
        }
        fn visit(&self, visit: &mut dyn Visit) {
            if self.0 > 0 {
                visit.visit_value(Deep(self.0 - 1).as_value());
            }
        }
    }
    impl valuable::Listable for Deep {
        fn size_hint(&self) -> (usize, Option<usize>) {
            (1, Some(1))
        }
    }
    struct Panics;
    impl Valuable for Panics {
        fn as_value(&self) -> Value<'_> {
            panic!("in as_value")
        }
        fn visit(&self, _: &mut dyn Visit) {}
    }
    let long: Vec<u64> = (0..100_000).collect();
    let line = logged(|| {
        info!(fits = ?valuable(&Deep(30)), deep = ?valuable(&Deep(40)), long = ?valuable(&long), panics = ?valuable(&Panics), "event");
    })
    .line();
    assert!(line["fits"].is_array());
    assert!(line["deep"].to_string().contains("\"[too deep]\""));
    let long = line["long"].as_array().unwrap();
    assert!((10_000..20_000).contains(&long.len()), "{}", long.len());
    assert_eq!(long.last().unwrap(), "… [truncated]");
    assert_eq!(line["panics"], "<its visit ended early>");
}
