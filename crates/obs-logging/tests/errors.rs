//! Errors of several origins on one line: one wins, with all that it tells.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod common;

use std::error::Error;
use std::fmt;

use common::{kept, logged};
use obs_logging::{Builder, Context, Delivery, Format, Output, Processor, Record};
use tracing::field::Empty;
use tracing::{info, info_span};
use tracing_subscriber::layer::SubscriberExt;

#[derive(Debug)]
struct Chained(std::io::Error);

impl fmt::Display for Chained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("chained")
    }
}

impl Error for Chained {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[derive(Debug)]
struct Plain;

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("plain")
    }
}

impl Error for Plain {}

fn chained() -> Chained {
    Chained(std::io::Error::other("cause"))
}

fn assert_only_plain(line: &common::Line) {
    assert_eq!(line["error.message"], "plain", "{line:?}");
    for name in ["error.chain", "error.type", "error"] {
        assert!(line[name].is_null(), "{name} in {line:?}");
    }
}

#[test]
fn event_error_replaces_whole_span_error() {
    let chained = chained();
    let chained: &(dyn Error + 'static) = &chained;
    let typed = std::io::Error::other("typed");
    let typed: &(dyn Error + 'static) = &typed;
    let lines = logged(|| {
        let _span = info_span!("span", error = chained, kept = 1).entered();
        info!(error = &Plain as &dyn Error, "event over span");
        info!(error = %Plain, "text over error");
        info!("none of its own");
        let inner = info_span!("inner", error = &Plain as &dyn Error).entered();
        info!("span over span");
        drop(inner);
        let inner = info_span!("inner", error = Empty).entered();
        inner.record("error", typed);
        inner.record("error", &Plain as &dyn Error);
        info!("a later value over an earlier");
    })
    .lines();
    for (at, line) in lines.iter().enumerate() {
        assert_eq!(line["kept"], 1);
        if at != 2 {
            assert_only_plain(line);
        }
    }
    assert_eq!(lines[2]["error.message"], "chained");
    assert_eq!(lines[2]["error.chain"], serde_json::json!(["cause"]));
    assert_eq!(lines.len(), 5);
}

#[test]
fn error_of_event_or_span_replaces_text_of_context() {
    let lines = logged(|| {
        let context = Context::new();
        context.bind("error", "text");
        let _entered = context.enter();
        info!(error = &Plain as &dyn Error, "error over the context's text");
        let _span = info_span!("span", error = &Plain as &dyn Error).entered();
        info!("span over context");
    })
    .lines();
    lines.iter().for_each(assert_only_plain);
    assert_eq!(lines.len(), 2);
}

#[derive(Debug)]
struct Declined;

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("declined")
    }
}

#[tracing::instrument(err)]
fn by_display() -> Result<(), Declined> {
    Err(Declined)
}

#[tracing::instrument(err(Debug))]
fn by_debug() -> Result<(), Declined> {
    Err(Declined)
}

#[test]
fn error_from_any_source_has_same_fields() {
    let lines = logged(|| {
        by_display().unwrap_err();
        by_debug().unwrap_err();
        tracing::error!(error = %Declined, "display");
        tracing::error!(error = ?Declined, "debug");
        tracing::error!(error = "declined", "text");
        tracing::error!(error = &Plain as &dyn Error, "value");
        info_span!("span", error = %Declined).in_scope(|| info!("of a span"));
    })
    .lines();
    for (line, message) in lines
        .iter()
        .zip(["declined", "Declined", "declined", "Declined", "declined", "plain", "declined"])
    {
        assert_eq!(line["error.message"], message, "{line:?}");
        assert!(line["error"].is_null(), "{line:?}");
    }
    assert_eq!(lines.len(), 7);
}

#[test]
fn bound_error_has_message_and_chain() {
    let context = Context::new();
    context.bind("error", tracing::field::debug(WithBacktrace));
    let line = logged(|| {
        let _entered = context.enter();
        info!("bound");
    })
    .line();
    assert_eq!(line["error.message"], "no order", "{line:?}");
    assert_eq!(line["error.chain"], serde_json::json!(["gone"]));
}

#[test]
fn error_text_with_causes_is_split_into_chain() {
    struct Anyhow(&'static str);
    impl fmt::Debug for Anyhow {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }
    let two =
        Anyhow("no \"order\"\n\nCaused by:\n    0: the pool\n       is empty\n    1: timed out");
    let eyre = Anyhow("gone\n\nLocation:\n    src/main.rs:7:5");
    let paragraphs = Anyhow("one\n\ntwo");
    let lines = logged(|| {
        let span = info_span!("span", error = Empty);
        let _entered = span.clone().entered();
        tracing::error!(error = ?two, "causes");
        tracing::error!(err = ?eyre, "a place");
        span.record("error", tracing::field::debug(&two));
        span.record("error", tracing::field::debug(&paragraphs));
        info!("the later one");
    })
    .lines();
    assert_eq!(lines[0]["error.message"], "no \"order\"");
    assert_eq!(lines[0]["error.chain"], serde_json::json!(["the pool\nis empty", "timed out"]));
    assert_eq!(lines[1]["err.message"], "gone");
    assert_eq!(lines[1]["err.location"], "src/main.rs:7:5");
    assert_eq!(lines[2]["error.message"], "one\n\ntwo");
    assert!(lines[2]["error.chain"].is_null(), "{:?}", lines[2]);
}

#[test]
fn number_in_error_field_stays_number() {
    let line = logged(|| info!(error = 7, err = true, "numbers")).line();
    assert_eq!((&line["error"], &line["err"]), (&7.into(), &true.into()));
}

/// An error over so many others.
#[derive(Debug)]
struct Over(u32, Option<Box<Over>>);

impl std::fmt::Display for Over {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cause {}", self.0)
    }
}

impl Error for Over {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1.as_deref().map(|cause| cause as _)
    }
}

#[test]
fn causes_past_limit_are_truncated_with_mark() {
    let over = |causes: u32| {
        (1..=causes).fold(Over(0, None), |cause, number| Over(number, Some(cause.into())))
    };
    let chain = |causes| {
        let error = over(causes);
        let line = logged(|| info!(error = &error as &dyn Error, "event")).line();
        line["error.chain"].as_array().unwrap().clone()
    };
    assert_eq!(chain(16).len(), 16);
    assert_eq!(chain(16).last().unwrap(), "cause 0");
    let cut = chain(17);
    assert_eq!((cut.len(), cut.last().unwrap()), (17, &"… [truncated]".into()));
    assert_eq!(cut[15], "cause 1");
}

#[test]
fn fields_resembling_error_parts_are_kept() {
    let line = logged(|| {
        let _span = info_span!("span", request.r#type = "a", request.chain = 2).entered();
        info!(request = 3, user.message = "hi", user.id = 4, "event");
    })
    .line();
    assert_eq!((&line["request.chain"], &line["request"]), (&2.into(), &3.into()));
    assert_eq!((&line["user.message"], &line["user.id"]), (&"hi".into(), &4.into()));
}

#[test]
fn processor_setting_error_message_keeps_chain() {
    struct Shortens;
    impl Processor for Shortens {
        fn process(&self, record: &mut Record<'_>) -> bool {
            record.set("error.message", "short");
            true
        }
    }
    let (dispatch, kept, _logging) = kept(Builder::new().processor(Shortens));
    let chained = chained();
    let chained: &(dyn Error + 'static) = &chained;
    tracing::dispatcher::with_default(&dispatch, || info!(error = chained, "event"));
    let line = kept.line();
    assert_eq!(line["error.message"], "short");
    assert_eq!(line["error.chain"], serde_json::json!(["cause"]));
}

/// As anyhow and eyre do.
struct WithBacktrace;

impl fmt::Debug for WithBacktrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no order\n\nCaused by:\n    gone\n\nStack backtrace:\n   0: main::\"x\"\n")
    }
}

#[test]
fn error_backtrace_is_separate_field_when_enabled() {
    let log = || {
        tracing::error!(error = ?WithBacktrace, other = ?WithBacktrace, after = 1, "failed");
    };
    for (wanted, has) in [(None, false), (Some(false), false), (Some(true), true)] {
        let builder = Builder::new();
        let builder = match wanted {
            None => builder,
            Some(wanted) => builder.backtraces(wanted),
        };
        let (dispatch, kept, _logging) = common::kept(builder);
        tracing::dispatcher::with_default(&dispatch, log);
        let line = &kept.lines()[0];
        assert_eq!(line["error.message"], "no order");
        assert_eq!(line["error.chain"], serde_json::json!(["gone"]));
        assert!(line["other"].as_str().unwrap().contains("Stack backtrace"));
        assert_eq!(line["after"], 1);
        assert_eq!(line["error.backtrace"].as_str(), has.then_some("   0: main::\"x\"\n"));
    }
    let kept = common::Kept::default();
    let (layer, _logging) = Builder::new()
        .format(Format::Console)
        .delivery(Delivery::Blocking)
        .output(Output::writer(kept.clone()))
        .build()
        .unwrap();
    let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(layer));
    tracing::dispatcher::with_default(&dispatch, log);
    assert!(kept.text().contains("main::"), "{}", kept.text());
}

#[cfg(feature = "stack")]
#[test]
fn stack_field_begins_at_callsite() {
    #[inline(never)]
    fn deep_inside() {
        info!(stack = ?obs_logging::stack(), after = "x", "odd");
        info!("without");
        info!(at_once = %obs_logging::stack(), forged = "stack-0000000000000000[ffff]", "text");
    }
    let kept = common::Kept::default();
    for format in [Format::Json, Format::Console] {
        let (layer, logging) =
            Builder::new().format(format).output(Output::writer(kept.clone())).build().unwrap();
        let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(layer));
        tracing::dispatcher::with_default(&dispatch, deep_inside);
        assert!(logging.flush(std::time::Duration::from_secs(60)).complete);
    }
    let text = kept.text();
    let json: Vec<serde_json::Value> = text
        .lines()
        .take_while(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(json.len(), 3, "{text}");
    for stack in [&json[0]["stack"], &json[2]["at_once"]] {
        let first = stack.as_str().unwrap().lines().next().unwrap();
        assert!(first.contains("deep_inside") && first.contains("tests/errors.rs:"), "{stack:#}");
        assert!(stack.as_str().unwrap().len() <= 16 * 1024);
    }
    assert_eq!((&json[0]["after"], &json[0]["event"]), (&"x".into(), &"odd".into()));
    assert_eq!(json[2]["forged"], "stack-0000000000000000[ffff]");
    let console = text.lines().skip_while(|line| line.starts_with('{'));
    assert!(
        console.clone().any(|line| line.starts_with("    ") && line.contains("deep_inside")),
        "{text}"
    );
}
