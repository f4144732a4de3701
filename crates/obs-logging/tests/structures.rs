//! Values with a structure, of `valuable` and of `log`: redacted, bounded, no name twice at any depth.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]
#![cfg(all(feature = "valuable", feature = "kv"))]

mod common;

use std::collections::BTreeMap;

use common::{Kept, kept};
use obs_logging::{Builder, Delivery, Format, Logger, Output, valuable};
use proptest::prelude::*;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::json;
use tracing::{Dispatch, info, info_span};
use tracing_subscriber::layer::SubscriberExt;
use valuable::{Listable, Mappable, Valuable, Value, Visit};

/// A value of any shape; an object may have a name several times.
#[derive(Clone, Debug)]
enum Tree {
    Text(String),
    Number(i64),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl Valuable for Tree {
    fn as_value(&self) -> Value<'_> {
        match self {
            Self::Text(text) => Value::String(text),
            Self::Number(number) => Value::I64(*number),
            Self::List(_) => Value::Listable(self),
            Self::Object(_) => Value::Mappable(self),
        }
    }

    fn visit(&self, visit: &mut dyn Visit) {
        match self {
            Self::List(elements) => {
                elements.iter().for_each(|element| visit.visit_value(element.as_value()));
            }
            Self::Object(entries) => {
                for (name, shown) in entries {
                    match name.parse::<i64>() {
                        Ok(number) if number % 2 == 0 => {
                            visit.visit_entry(Value::I64(number), shown.as_value());
                        }
                        _ => visit.visit_entry(name.as_value(), shown.as_value()),
                    }
                }
            }
            _ => visit.visit_value(self.as_value()),
        }
    }
}

impl Listable for Tree {
    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, None)
    }
}

impl Mappable for Tree {
    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, None)
    }
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => serializer.serialize_i64(*number),
            Self::List(elements) => {
                let mut list = serializer.serialize_seq(None)?;
                elements.iter().try_for_each(|element| list.serialize_element(element))?;
                list.end()
            }
            Self::Object(entries) => {
                let mut map = serializer.serialize_map(None)?;
                entries.iter().try_for_each(|(name, shown)| map.serialize_entry(name, shown))?;
                map.end()
            }
        }
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        "[a-z\"\\\\,{}\\[\\]:]{0,6}".prop_map(Tree::Text),
        any::<i64>().prop_map(Tree::Number)
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let name = "[ab\"]|a\\.b|[12]|level|event";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Tree::List),
            prop::collection::vec((name, inner), 0..5).prop_map(Tree::Object),
        ]
    })
}

/// A tree in which some value, under a name that is redacted, has the secret inside.
fn tree_with_secret() -> impl Strategy<Value = Tree> {
    let secret = prop_oneof![
        Just(Tree::Text("SECRET".into())),
        tree().prop_map(|other| Tree::List(vec![other, Tree::Text("SECRET".into())])),
    ];
    let secret = (
        secret,
        prop_oneof![Just("password"), Just("PassWord"), Just("db.password"), Just("to\"ken"),],
    );
    let secret = secret.prop_map(|(secret, name)| Tree::Object(vec![(name.into(), secret)]));
    (secret, prop::collection::vec((any::<bool>(), tree()), 0..35)).prop_map(|(secret, around)| {
        around.into_iter().fold(secret, |inner, (is_list, beside)| {
            if is_list {
                Tree::List(vec![beside.clone(), inner, beside])
            } else {
                Tree::Object(vec![("x".into(), beside), ("y".into(), inner)])
            }
        })
    })
}

fn console() -> (Dispatch, Kept, obs_logging::Logging) {
    let kept = Kept::default();
    let (layer, logging) = Builder::new()
        .redact(["password", "to\"ken"])
        .format(Format::Console)
        .delivery(Delivery::Blocking)
        .output(Output::writer(kept.clone()))
        .build()
        .unwrap();
    (Dispatch::new(tracing_subscriber::registry().with(layer)), kept, logging)
}

/// Logs the value in every way that there is.
fn log_everywhere(dispatch: &Dispatch, tree: &Tree) {
    let _first = obs_logging::bridge::install();
    tracing::dispatcher::with_default(dispatch, || {
        info!(tree = ?valuable(tree), "an event");
        info!(some = ?Some(valuable(tree)), "inside of a text: {:?}", valuable(tree));
        let log = Logger::bind("bound", tracing::field::debug(valuable(tree)));
        obs_logging::info!(log; "a logger");
        let context = obs_logging::Context::new();
        context.bind("bound", tracing::field::debug(valuable(tree)));
        let _entered = context.enter();
        let span = info_span!("span", tree = ?valuable(tree), late = tracing::field::Empty);
        span.record("late", tracing::field::debug(valuable(tree)));
        let _span = span.entered();
        info!("in a span");
        log::info!(tree:serde = tree; "a record");
    });
}

#[test]
fn redaction_by_path_reaches_into_structures_lists_and_maps() {
    let builder = Builder::new().redact(["card.number", "users.password", "type", "event"]);
    let (dispatch, kept, _logging) = kept(builder);
    let inner = BTreeMap::from([("number", "SECRET"), ("name", "visible")]);
    let order = BTreeMap::from([("card", vec![inner.clone()])]);
    let users = vec![BTreeMap::from([("password", "SECRET"), ("id", "7")])];
    let _first = obs_logging::bridge::install();
    tracing::dispatcher::with_default(&dispatch, || {
        info!(order = ?valuable(&order), users = ?valuable(&users), number = ?valuable(&inner), "a");
        info!(r#type = "SECRET", event = "SECRET", "b");
        log::info!(order:serde = order, users:serde = users, event = "SECRET"; "c");
    });
    let lines = kept.lines();
    for line in [&lines[0], &lines[2]] {
        assert_eq!(line["order"], json!({"card": [{"number": "[redacted]", "name": "visible"}]}));
        assert_eq!(line["users"], json!([{"password": "[redacted]", "id": "7"}]));
    }
    assert_eq!(lines[0]["number"]["number"], "SECRET", "the path is another");
    assert_eq!(
        (&lines[1]["type"], &lines[1]["event_"]),
        (&json!("[redacted]"), &json!("[redacted]"))
    );
    assert_eq!(lines[2]["event_"], "[redacted]");
}

#[test]
fn key_value_numbers_are_written_like_fields() {
    let _first = obs_logging::bridge::install();
    let (dispatch, kept, _logging) = kept(Builder::new());
    let wide = 123_456_789_012_345_678_901_234_567_890_123_456_789_u128;
    let inside = (wide, f64::NAN, f64::NEG_INFINITY, u64::MAX, i128::MIN, f32::INFINITY);
    tracing::dispatcher::with_default(&dispatch, || {
        info!(wide, nan = f64::NAN, inf = f64::INFINITY, max = u64::MAX, min = i128::MIN, "field");
        let (nan, inf, max, min) = (f64::NAN, f64::INFINITY, u64::MAX, i128::MIN);
        log::info!(wide, nan, inf, max, min; "key-value");
        log::info!(inside:serde = inside; "inside");
        info!(inside = ?valuable(&u64::MAX), wide = ?valuable(&wide), "valuable");
    });
    let lines = kept.lines();
    for name in ["wide", "nan", "inf", "max", "min"] {
        assert_eq!(lines[0][name], lines[1][name], "{name}");
    }
    assert_eq!(lines[1]["nan"], "NaN");
    let expected =
        json!([wide.to_string(), "NaN", "-Infinity", u64::MAX, i128::MIN.to_string(), "Infinity"]);
    assert_eq!(lines[2]["inside"], expected);
    assert_eq!(
        (&lines[3]["inside"], &lines[3]["wide"]),
        (&json!(u64::MAX), &json!(wide.to_string()))
    );
}

#[test]
fn deep_or_long_structures_are_truncated_with_mark() {
    let mut deep = Tree::Object(vec![("password".into(), Tree::Text("SECRET".into()))]);
    for _ in 0..40 {
        deep = Tree::List(vec![deep]);
    }
    let secret = Tree::Object(vec![("password".into(), Tree::Text("SECRET".into()))]);
    let long = Tree::List(std::iter::repeat_n(secret, 10_000).collect());
    let (dispatch, kept, _logging) = kept(Builder::new().redact(["password"]));
    log_everywhere(&dispatch, &deep);
    log_everywhere(&dispatch, &long);
    let text = kept.text();
    assert!(
        !text.contains("SECRET") && text.contains("[too deep]") && text.contains("[truncated]")
    );
    assert!(kept.lines().iter().all(|line| line["event"].is_string()));
}

/// Fails where an object, at any depth, has a name twice.
fn assert_distinct(line: &str) {
    struct Strict;
    impl<'de> serde::Deserialize<'de> for Strict {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(Strict)
        }
    }
    impl<'de> serde::de::Visitor<'de> for Strict {
        type Value = Self;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("JSON")
        }

        fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
            Ok(self)
        }

        fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
            Ok(self)
        }

        fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
            Ok(self)
        }

        fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
            Ok(self)
        }

        fn visit_str<E>(self, _: &str) -> Result<Self, E> {
            Ok(self)
        }

        fn visit_unit<E>(self) -> Result<Self, E> {
            Ok(self)
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
            while list.next_element::<Self>()?.is_some() {}
            Ok(self)
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
            let mut names = std::collections::HashSet::new();
            while let Some((name, _)) = map.next_entry::<String, Self>()? {
                if !names.insert(name.clone()) {
                    return Err(serde::de::Error::custom(format!("`{name}` comes twice")));
                }
            }
            Ok(self)
        }
    }
    let read: Result<Strict, _> = serde_json::from_str(line);
    assert!(read.is_ok(), "{:?}: {line}", read.err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn secret_under_redacted_name_is_in_no_line(tree in tree_with_secret()) {
        let (dispatch, kept, _logging) = kept(Builder::new().redact(["password", "to\"ken"]));
        log_everywhere(&dispatch, &tree);
        prop_assert!(!kept.text().contains("SECRET"), "{}", kept.text());
        prop_assert_eq!(kept.lines().len(), 5);
        let (dispatch, kept, _logging) = console();
        log_everywhere(&dispatch, &tree);
        prop_assert!(!kept.text().contains("SECRET"), "{}", kept.text());
    }

    #[test]
    fn names_are_unique_at_any_depth(
        tree in tree(),
        event_key in prop::sample::select(vec!["event", "message", "a", "spans", "tree"]),
    ) {
        let (dispatch, kept, _logging) = kept(Builder::new().event_key(event_key).span_names(true));
        log_everywhere(&dispatch, &tree);
        tracing::dispatcher::with_default(&dispatch, || {
            log::info!(a = 1, a = 2, level = 3, "level_" = 4, event = 5, event_ = 6, spans = 7; "twice");
            info!(a = 1, "a" = 2, level = 3, level_ = 4, trace_id = 5, message_ = 6, "twice");
        });
        let text = kept.text();
        prop_assert_eq!(text.lines().count(), 7);
        text.lines().for_each(assert_distinct);
    }
}
