//! What applications give to spans: values that cannot be formatted, errors, waits without an end.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]

mod common;

use common::{flush, pipeline};
use tracing::{error, info_span};
use tracing_subscriber::prelude::*;

struct Fails;

impl std::fmt::Display for Fails {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Err(std::fmt::Error)
    }
}

struct Panics;

impl std::fmt::Display for Panics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("so far")?;
        panic!("as an application may")
    }
}

impl std::fmt::Debug for Panics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Panics {}

#[test]
fn failing_format_loses_only_own_value() {
    let (layer, traces, exported) = pipeline();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let span = info_span!("a", bad = %Fails, worse = ?Panics, otel.name = %Panics);
        span.in_scope(|| {
            error!("{}", Fails);
            error!(error = %Panics);
            error!(err = ?Panics, "with a message");
            obs_tracing::record_error(&Panics);
        });
    });
    flush(&traces);
    let spans = exported.spans();
    let span = spans.first().unwrap();
    assert!(span.name.starts_with("so far<"), "{}", span.name);
    assert!(common::attribute(span, "worse").unwrap().starts_with("so far<"));
    assert!(common::attribute(span, "bad").unwrap().starts_with('<'));
    assert!(span.events.len() >= 2, "{:?}", span.events);
}

fn exceptions(work: impl FnOnce()) -> Vec<String> {
    let (layer, traces, exported) = pipeline();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        info_span!("a").in_scope(work);
    });
    flush(&traces);
    let message = |event| common::event_attribute(event, "exception.message").unwrap();
    exported.span("a").events.iter().map(message).collect()
}

#[test]
fn exceptions_with_similar_texts_are_all_recorded() {
    assert_eq!(
        exceptions(|| {
            error!("a");
            error!("ba");
        }),
        ["a", "ba"]
    );
    let repeated = exceptions(|| (0..30).for_each(|_| error!("again")));
    assert_eq!(repeated, vec!["again"; 30]);
    // An outer report of the same error is the same exception.
    let chained = exceptions(|| {
        error!("refused");
        error!("cannot pay: refused");
    });
    assert_eq!(chained, ["refused"]);
}

#[test]
fn error_event_without_message_shows_fields() {
    assert_eq!(exceptions(|| error!(code = 5, kind = "x")), ["code=5 kind=x"]);
}

#[test]
fn unlimited_timeouts_are_accepted() {
    let (_layer, traces, _) = pipeline();
    assert!(traces.flush(std::time::Duration::MAX).complete);
    assert!(traces.shutdown(std::time::Duration::MAX).complete);
}

#[test]
fn duplicate_key_keeps_later_value() {
    let (layer, traces, exported) = pipeline();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        drop(info_span!("a", a = 1, "a" = 2, b = 3));
    });
    flush(&traces);
    let span = exported.span("a");
    assert_eq!(common::attribute(&span, "a").as_deref(), Some("2"));
    assert_eq!(common::keys(&span).len(), 2);
}
