//! The defects of tracing-subscriber 0.3.23 and tracing-appender 0.2.5, each of which was reproduced
//! there. Those of the output are in `faults.rs`, those of a panicking `Debug` in `global.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod common;

use std::fmt;

use common::{Kept, logged};
use obs_logging::{Builder, Delivery, Format, Output};
use tracing::{Dispatch, error, info, info_span};
use tracing_subscriber::layer::SubscriberExt;

fn console(work: impl FnOnce()) -> String {
    let kept = Kept::default();
    let (layer, _logging) = Builder::new()
        .format(Format::Console)
        .delivery(Delivery::Blocking)
        .output(Output::writer(kept.clone()))
        .build()
        .unwrap();
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    tracing::dispatcher::with_default(&dispatch, work);
    kept.text()
}

#[test]
fn failing_debug_is_marked_without_panic() {
    struct Fails;
    impl fmt::Debug for Fails {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("some")?;
            Err(fmt::Error)
        }
    }
    let line = logged(|| info!(value = ?Fails, after = 1, "event")).line();
    assert_eq!(line["value"], "some<its Debug or Display failed>");
    assert_eq!(line["after"], 1);
    assert!(console(|| info!(value = ?Fails, "event {:?}", Fails)).contains("failed"));
}

#[test]
fn panicking_display_keeps_lines_separate() {
    struct Panics;
    impl fmt::Display for Panics {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("in Display")
        }
    }
    let lines = logged(|| {
        info!(value = %Panics, "first {}", 1);
        info!("second {}", Panics);
        let _span = info_span!("span", value = %Panics).entered();
        info!("third");
    })
    .lines();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["value"], "<its Debug or Display panicked>");
    assert_eq!(lines[1]["event"], "second <its Debug or Display panicked>");
    assert_eq!(lines[2]["value"], "<its Debug or Display panicked>");
}

#[test]
fn control_characters_never_reach_terminal() {
    let attack = "\x1b]0;owned\x07\x1b[2J\u{9b}31m\u{7f}\r\n\u{202e}txt\u{2028}";
    let text = console(|| {
        let _span = info_span!("span", in_span = %attack).entered();
        let failure = std::io::Error::other(attack);
        info!(display = %attack, debug = ?attack, text = attack, "message {attack}");
        error!(target: "t\x1bt", error = &failure as &dyn std::error::Error, "failed");
    });
    let harmful = |character: char| {
        (character.is_control() && character != '\n')
            || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}')
    };
    assert_eq!(text.chars().find(|character| harmful(*character)), None, "{text:?}");
    assert_eq!(text.lines().count(), 2, "{text:?}");
}

#[test]
fn line_keys_are_unique() {
    // `logged(..).lines()` refuses a line with a name twice.
    let lines = logged(|| {
        info!(a = 1, a = 2, "own");
        let _span = info_span!("span", name = "n", timestamp = 1, level = 2, target = 3).entered();
        let _inner = info_span!("inner", name = "m", a = 1, a = 2).entered();
        info!(timestamp = 1, level = 2, target = 3, event = 4, message = "m", name = "o");
        info!(level_ = 1, level = 2, "both");
    })
    .lines();
    assert_eq!(lines[0]["a"], 2);
    assert_eq!(lines[1]["name"], "o");
    assert_eq!(lines[1]["event"], "m");
    assert_eq!(lines[1]["event_"], 4);
    assert_eq!(lines[2]["level_"], 2);
}

#[test]
fn span_record_formats_earlier_fields_once() {
    let formatted = std::cell::Cell::new(0);
    struct Counted<'a>(&'a std::cell::Cell<u32>);
    impl fmt::Display for Counted<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.set(self.0.get() + 1);
            f.write_str("x")
        }
    }
    let lines = logged(|| {
        let span = info_span!("span", counted = %Counted(&formatted), late = tracing::field::Empty);
        let _entered = span.enter();
        for number in 0..10 {
            span.record("late", number);
            info!("event");
        }
    })
    .lines();
    assert_eq!(formatted.get(), 1);
    assert_eq!(lines[9]["late"], 9);
    assert_eq!(lines[9]["counted"], "x");
}

#[test]
fn span_fields_are_flat() {
    let text = logged(|| {
        let _outer = info_span!("outer", a = 1).entered();
        let _inner = info_span!("inner", b = 2).entered();
        info!("event");
    })
    .text();
    assert!(text.ends_with("\"event\":\"event\",\"a\":1,\"b\":2}\n"), "{text}");
}

#[test]
fn endless_value_is_truncated() {
    struct Endless;
    impl fmt::Display for Endless {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            loop {
                f.write_str("äöü and so on ")?;
            }
        }
    }
    let line = logged(|| info!(endless = %Endless, long = "x".repeat(1_000_000), "event")).line();
    for name in ["endless", "long"] {
        let text = line[name].as_str().unwrap();
        assert!(text.len() < 70_000 && text.ends_with("[truncated]"));
    }
}

#[test]
fn message_of_eight_mebibytes_is_truncated_with_mark() {
    let long = "message ".repeat(1 << 20);
    let lines = logged(|| {
        info!(after = 1, "{long}");
        info!(long, escaped = "\n".repeat(8 << 20), "text");
        let _span = info_span!("span", long).entered();
        info!("in a span");
    })
    .lines();
    assert_eq!(lines[0]["after"], 1);
    for text in [&lines[0]["event"], &lines[1]["long"], &lines[1]["escaped"], &lines[2]["long"]] {
        let text = text.as_str().unwrap();
        assert!(text.len() < 65 * 1024 && text.ends_with("… [truncated]"), "{}", text.len());
    }
}

#[test]
fn error_source_chain_is_kept() {
    #[derive(Debug)]
    struct NotSaved(fmt::Error);
    impl fmt::Display for NotSaved {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("not saved")
        }
    }
    impl std::error::Error for NotSaved {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let error = std::io::Error::other(NotSaved(fmt::Error));
    let line = logged(|| error!(error = &error as &dyn std::error::Error, "not saved")).line();
    assert_eq!(line["error.chain"], serde_json::json!([fmt::Error.to_string()]));
    assert_eq!(line["error.type"], "std::io::Error");
}

#[test]
fn wide_integers_nan_and_binary_bytes_are_strings() {
    let line = logged(|| {
        let bytes: &[u8] = &[0xff, 0x00, 0x41];
        info!(wide = u128::MAX, nan = f64::NAN, infinite = -f64::INFINITY, bytes, "event");
    })
    .line();
    assert_eq!(line["wide"], u128::MAX.to_string());
    assert_eq!((&line["nan"], &line["infinite"]), (&"NaN".into(), &"-Infinity".into()));
    assert_eq!(line["bytes"], "ff0041");
}
