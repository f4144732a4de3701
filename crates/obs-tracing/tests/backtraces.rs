//! Backtraces of errors: `exception.stacktrace`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

mod common;

use std::backtrace::Backtrace;
use std::process::Command;

use anyhow::Context;
use common::{Exported, event_attribute, flush, pipeline};
use obs_tracing::{Limits, SpanExt};
use opentelemetry_proto::tonic::trace::v1::span::Event;
use tracing::subscriber::with_default;
use tracing::{error, info_span};
use tracing_subscriber::layer::SubscriberExt;

#[derive(Debug)]
struct Declined;

impl std::fmt::Display for Declined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("card declined")
    }
}

impl std::error::Error for Declined {}

fn exceptions(work: impl FnOnce()) -> Vec<Event> {
    let (layer, traces, exported) = pipeline();
    with_default(tracing_subscriber::registry().with(layer), || {
        info_span!("charge").in_scope(work);
    });
    flush(&traces);
    exported.span("charge").events
}

fn exception_fields(event: &Event) -> [Option<String>; 3] {
    ["exception.type", "exception.message", "exception.stacktrace"]
        .map(|key| event_attribute(event, key))
}

#[test]
fn recorded_backtrace_becomes_stacktrace() {
    let here = "recorded_backtrace_becomes";
    let captured = Backtrace::force_capture();
    let events = exceptions(|| {
        obs_tracing::record_error_with_backtrace(&Declined, &captured);
        let nowhere = std::io::Error::other("no network");
        tracing::Span::current().record_error_with_backtrace(&nowhere, &Backtrace::disabled());
    });
    let [kind, message, stacktrace] = exception_fields(&events[0]);
    assert!(kind.unwrap().ends_with("Declined"));
    assert_eq!(message.as_deref(), Some("card declined"));
    assert!(stacktrace.as_deref().unwrap().contains(here), "{stacktrace:?}");
    let [kind, message, stacktrace] = exception_fields(&events[1]);
    assert!(kind.unwrap().ends_with("Error"));
    assert_eq!((message.as_deref(), stacktrace), (Some("no network"), None));
}

#[test]
fn anyhow_debug_text_is_split() {
    const NAME: &str = "anyhow_debug_text_is_split";
    if std::env::var("RUST_LIB_BACKTRACE").is_err() {
        let this = std::env::current_exe().unwrap();
        let run =
            Command::new(this).args(["--exact", NAME]).env("RUST_LIB_BACKTRACE", "1").output();
        let run = run.unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
        return;
    }
    let failed = || Err::<(), _>(Declined).context("cannot pay").context("no order").unwrap_err();
    let in_field = exceptions(|| {
        let error = failed();
        error!(?error);
        // The same error, by an outer function.
        obs_tracing::record_error(&error);
    });
    let in_message = exceptions(|| error!("request failed: {:?}", failed()));
    let in_both = exceptions(|| error!(err = ?failed(), "request failed"));
    for (events, expected) in [
        (in_field, "no order: cannot pay: card declined"),
        (in_message, "request failed: no order: cannot pay: card declined"),
        (in_both, "request failed: no order: cannot pay: card declined"),
    ] {
        assert_eq!(events.len(), 1, "{events:?}");
        let [_, message, stacktrace] = exception_fields(&events[0]);
        assert_eq!(message.as_deref(), Some(expected));
        assert!(stacktrace.as_deref().unwrap().contains(NAME), "{stacktrace:?}");
    }
    let alone = exceptions(|| error!(error = ?anyhow::anyhow!("no order")));
    let [_, message, stacktrace] = exception_fields(&alone[0]);
    assert_eq!(message.as_deref(), Some("no order"));
    assert!(stacktrace.is_some());
}

#[test]
fn errors_of_any_kind_are_recorded_with_causes() {
    use obs_tracing::record_error;
    type Boxed = Box<dyn std::error::Error + Send + Sync>;
    fn behind_a_reference(error: &dyn std::error::Error) {
        record_error(error);
    }
    let events = exceptions(|| {
        record_error(&Declined);
        let full = std::io::Error::other("disk full");
        record_error(&anyhow::Error::from(full).context("no order"));
        record_error(&Boxed::from("boxed"));
        record_error(&Box::<dyn std::error::Error>::from("also boxed"));
        behind_a_reference(&std::io::Error::other("no network"));
        let _ = Err::<(), _>(std::fmt::Error).inspect_err(record_error);
        let _ = Err::<(), _>(anyhow::anyhow!("no card")).inspect_err(record_error);
    });
    let messages: Vec<_> =
        events.iter().map(|event| exception_fields(event)[1].clone().unwrap()).collect();
    let formatting = "an error occurred when formatting an argument";
    assert_eq!(messages[..2], ["card declined", "no order: disk full"]);
    assert_eq!(messages[2..], ["boxed", "also boxed", "no network", formatting, "no card"]);
    let kinds: Vec<_> = events.iter().map(|event| exception_fields(event)[0].is_some()).collect();
    assert_eq!(kinds, [true, false, false, false, false, true, false], "{events:?}");
}

#[test]
fn exception_fields_are_recorded_unchanged() {
    let events = exceptions(|| {
        error!(
            exception.r#type = "Declined",
            exception.message = "card declined",
            exception.stacktrace = "at charge",
        );
        error!(target: "panic", backtrace = %"0: main", thread = "worker", "it broke");
    });
    let expected = [["Declined", "card declined", "at charge"], ["panic", "it broke", "0: main"]];
    for (event, expected) in events.iter().zip(expected) {
        assert_eq!(exception_fields(event), expected.map(|text| Some(text.to_owned())));
    }
    assert_eq!(events.len(), 2);
}

#[test]
fn stacktrace_keeps_value_and_attribute_limits() {
    for (limits, expected) in [
        (Limits { value_length: 8, ..Limits::default() }, [8, 8, 8]),
        (Limits { event_attributes: 1, ..Limits::default() }, [0, 13, 0]),
    ] {
        let exported = Exported::default();
        let (layer, traces) = exported.builder().limits(limits).build().unwrap();
        with_default(tracing_subscriber::registry().with(layer), || {
            info_span!("charge").in_scope(|| {
                let backtrace = Backtrace::force_capture();
                obs_tracing::record_error_with_backtrace(&Declined, &backtrace);
            });
        });
        flush(&traces);
        let events = exported.span("charge").events;
        let lengths = exception_fields(&events[0]).map(|text| text.unwrap_or_default().len());
        assert_eq!(lengths, expected);
        let kept = expected.iter().filter(|length| **length > 0).count() as u32;
        assert_eq!(events[0].dropped_attributes_count, 3 - kept);
    }
}
