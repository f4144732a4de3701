//! Filters of spans and fields against their oracle, `EnvFilter`. Alone in its process, as
//! filter_oracle.rs is and for its reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

use std::fmt::Debug;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use obs_logging::{Builder, Delivery, Format, Output};
use proptest::prelude::*;
use tracing::field::{Field, Visit};
use tracing::{Dispatch, Event, Level, Subscriber, event, span};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{EnvFilter, Layer};

/// What was logged, as our output.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn messages(&self) -> Vec<String> {
        let bytes = self.0.lock().unwrap();
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let lines = lines.map(|line| serde_json::from_slice::<serde_json::Value>(line).unwrap());
        lines
            .map(|line| line["event"].as_str().unwrap_or_else(|| panic!("{line}")).to_owned())
            .collect()
    }
}

/// What passes a filter.
#[derive(Clone, Default)]
struct Passed(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber> Layer<S> for Passed {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        struct Message(String);
        impl Visit for Message {
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().unwrap().push(message.0);
    }
}

macro_rules! events {
    ($place:expr) => {
        event!(target: "a", Level::ERROR, "{} a error", $place);
        event!(target: "a", Level::INFO, "{} a info", $place);
        event!(target: "a", Level::TRACE, "{} a trace", $place);
        event!(target: "a::b", Level::WARN, "{} a::b warn", $place);
        event!(target: "a::b", Level::DEBUG, "{} a::b debug", $place);
        event!(target: "c", Level::DEBUG, f = 7, "{} c debug with f", $place);
        event!(target: "c", Level::TRACE, "{} c trace", $place);
    };
}

/// Spans with and without fields, beside and inside one another, recorded later, entered twice, left.
fn program() {
    events!("outside");
    let number = span!(target: "a", Level::INFO, "s", f = 1);
    number.in_scope(|| {
        events!("s{f=1}");
        span!(target: "a::b", Level::DEBUG, "t").in_scope(|| {
            events!("s{f=1}:t");
        });
        span!(target: "c", Level::TRACE, "s", f = true, g = "x y").in_scope(|| {
            events!("s{f=1}:s{f=true g}");
        });
    });
    number.in_scope(|| {
        events!("s{f=1} again");
    });
    span!(target: "c", Level::ERROR, "t", g = %"red", f = ?Some(1)).in_scope(|| {
        events!("t{g=red f}");
    });
    let later = span!(target: "a", Level::WARN, "s", f = tracing::field::Empty, g = -2.5);
    later.in_scope(|| {
        events!("s before record");
    });
    later.record("f", 1);
    later.in_scope(|| {
        events!("s after record");
        event!(target: "a", parent: None, Level::DEBUG, "without a parent");
    });
    events!("outside again");
}

fn ours(text: &str) -> Result<Vec<String>, String> {
    let lines = Lines::default();
    let built = Builder::new()
        .filter(text)
        .format(Format::Json)
        .delivery(Delivery::Blocking)
        .output(Output::writer(lines.clone()))
        .build();
    let (layer, _logging) = built.map_err(|error| error.to_string())?;
    let subscriber = Dispatch::new(tracing_subscriber::registry().with(layer));
    tracing::dispatcher::with_default(&subscriber, program);
    Ok(lines.messages())
}

fn theirs(text: &str) -> Result<Vec<String>, String> {
    let filter = EnvFilter::builder().parse(text).map_err(|error| error.to_string())?;
    let passed = Passed::default();
    let subscriber = tracing_subscriber::registry().with(passed.clone().with_filter(filter));
    tracing::dispatcher::with_default(&Dispatch::new(subscriber), program);
    let passed = passed.0.lock().unwrap();
    Ok(passed.clone())
}

/// What is refused says what to write; what is accepted is accepted by `EnvFilter`, and means the same:
/// without blanks around commas, after which it takes `[s]` for another span's name.
fn agree(text: &str) -> Result<(), TestCaseError> {
    let without_blanks: Vec<&str> = text.split(',').map(str::trim).collect();
    match (ours(text), theirs(&without_blanks.join(","))) {
        (Ok(ours), theirs) => prop_assert_eq!(Ok(ours), theirs, "{}", text),
        (Err(error), _) => prop_assert!(error.contains("write "), "{}: {}", text, error),
    }
    Ok(())
}

fn directive() -> impl Strategy<Value = String> {
    let target = proptest::sample::select(vec!["", "a", "a::b", "c"]);
    let span = proptest::sample::select(vec![
        "",
        "[s]",
        "[t]",
        "[]",
        "[x]",
        "[{f}]",
        "[{g}]",
        "[s{f}]",
        "[s{f=1}]",
        "[{f=1}]",
        "[{f=true}]",
        "[t{g=red}]",
        "[{g=\"x y\"}]",
        "[{g=-2.5}]",
        "[s{f,g}]",
        "[s{f=1,g}]",
        "[{f=Some(1)}]",
        "[s",
        "s]",
        "[s{f}",
        "[s{}]",
        "[{f=}]",
        "[{f}s]",
        "[s]]",
        "[{f=a|b}]",
        "[{f=[}]",
    ]);
    let level =
        proptest::sample::select(vec!["", "=info", "=TRACE", "=debug", "=off", "=2", "=x", "="]);
    let whole =
        (target, span, level).prop_map(|(target, span, level)| format!("{target}{span}{level}"));
    let level =
        proptest::sample::select(vec!["info", "off", "error", "DEBUG"]).prop_map(str::to_owned);
    prop_oneof![4 => whole, 1 => level]
}

/// What would mean nothing, or different things to different parsers.
fn assert_rejected_with_remedy() {
    for text in ["a=", "info,[s]="] {
        let error = ours(text).unwrap_err();
        assert!(error.contains("names no level") && error.contains("write levels"), "{error}");
    }
    for text in ["[]", "info,[]=debug", "a[]=trace"] {
        let error = ours(text).unwrap_err();
        assert!(error.contains("names no span") && error.contains("write levels"), "{error}");
    }
    for text in ["[s{f,g}]=trace", "info,[s{f=1, g}]", "[{f"] {
        let error = ours(text).unwrap_err();
        assert!(error.contains("have no end") && error.contains("one field"), "{error}");
    }
}

#[test]
fn filter_of_spans_and_fields_agrees_with_env_filter() {
    assert_rejected_with_remedy();
    for text in [
        "[s]=debug",
        "error,[s]=trace",
        "warn,a[s]=debug",
        "off,[{f}]=trace",
        "info,[s{f=1}]=trace",
        "[{g=\"x y\"}]=debug",
        "off,a::b[t]=trace,c=debug",
        "[s{f,g}]=trace",
        "[s{f=1,g}]=trace",
        "[s{f=1, g}]=trace",
    ] {
        agree(text).unwrap();
    }
    let cases = proptest::collection::vec(directive(), 1..4);
    let separators = proptest::sample::select(vec![",", ", ", ",,"]);
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    proptest::test_runner::TestRunner::new(config)
        .run(&(cases, separators), |(directives, separator)| agree(&directives.join(separator)))
        .unwrap();
}
