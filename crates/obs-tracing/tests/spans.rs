//! What a `tracing` span becomes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]

mod common;

use std::time::Duration;

use common::{attribute, event_attribute, flush, keys, pipeline};
use obs_context::active_span;
use obs_tracing::{SpanExt, Status};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use tracing::{error, error_span, field, info, info_span};
use tracing_subscriber::prelude::*;

#[test]
fn span_tree_has_typed_attributes() {
    let (layer, traces, exported) = pipeline();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let outer = info_span!("outer", number = -3, size = 7_u64, share = 0.5, on = true);
        outer.in_scope(|| {
            info_span!("inner", text = "words", debug = ?[1, 2], display = %"shown")
                .in_scope(|| {});
            info!("events are not copied");
        });
    });
    flush(&traces);
    let (outer, inner) = (exported.span("outer"), exported.span("inner"));
    assert_eq!(inner.parent_span_id, outer.span_id);
    assert_eq!(inner.trace_id, outer.trace_id);
    assert!(outer.parent_span_id.is_empty());
    assert_eq!((outer.trace_id.len(), outer.span_id.len()), (16, 8));
    for (key, value) in [("number", "-3"), ("size", "7"), ("share", "0.5"), ("on", "true")] {
        assert_eq!(attribute(&outer, key).as_deref(), Some(value));
    }
    assert_eq!(keys(&inner), ["text", "debug", "display"]);
    assert_eq!(attribute(&inner, "debug").as_deref(), Some("[1, 2]"));
    assert_eq!(attribute(&inner, "display").as_deref(), Some("shown"));
    assert!(outer.events.is_empty());
    assert!(outer.start_time_unix_nano <= inner.start_time_unix_nano);
    assert!(inner.end_time_unix_nano <= outer.end_time_unix_nano);
    assert_eq!(outer.kind(), SpanKind::Internal);
    assert_eq!(outer.flags & 0b11, 0b11, "sampled, of a random trace id");
    assert_eq!(outer.status, None);
}

#[test]
fn span_times_are_wall_clock_times() {
    let (layer, traces, exported) = pipeline();
    let now = || std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let before = now();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        info_span!("slow").in_scope(|| std::thread::sleep(Duration::from_millis(20)));
    });
    let after = now();
    flush(&traces);
    let span = exported.span("slow");
    let slack = 5_000_000;
    assert!(
        span.start_time_unix_nano + slack >= before && span.end_time_unix_nano <= after + slack
    );
    assert!(span.end_time_unix_nano - span.start_time_unix_nano >= 19_000_000);
}

#[test]
fn later_values_replace_earlier_values() {
    let (layer, traces, exported) = pipeline();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let span = info_span!("late", status = field::Empty, tries = 1);
        span.record("status", "done");
        span.record("tries", 2);
        span.record("tries", 3);
        span.set_attribute("undeclared", "too");
        span.set_attribute("tries", 4.5);
        let _entered = span.enter();
        obs_tracing::set_attribute("current", true);
    });
    flush(&traces);
    let span = exported.span("late");
    assert_eq!(attribute(&span, "status").as_deref(), Some("done"));
    assert_eq!(attribute(&span, "tries").as_deref(), Some("4.5"));
    assert_eq!(attribute(&span, "undeclared").as_deref(), Some("too"));
    assert_eq!(attribute(&span, "current").as_deref(), Some("true"));
}

#[test]
fn otel_fields_set_name_kind_and_status() {
    let (layer, traces, exported) = pipeline();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let span = info_span!(
            "static",
            otel.name = "publish order.created",
            otel.kind = "PRODUCER",
            otel.status_code = field::Empty,
            otel.status_description = field::Empty,
            otel.kinds = "no such thing",
        );
        span.record("otel.status_code", "ERROR");
        span.record("otel.status_description", "no broker");
    });
    flush(&traces);
    let span = exported.span("publish order.created");
    assert_eq!(span.kind(), SpanKind::Producer);
    let status = span.status.as_ref().unwrap();
    assert_eq!((status.code(), status.message.as_str()), (StatusCode::Error, "no broker"));
    assert_eq!(keys(&span), ["otel.kinds"]);
}

#[derive(Debug)]
struct Declined;

impl std::fmt::Display for Declined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("card declined")
    }
}

impl std::error::Error for Declined {}

#[test]
fn error_is_recorded_once() {
    let (layer, traces, exported) = pipeline();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        info_span!("charge").in_scope(|| {
            obs_tracing::record_error(&Declined);
            obs_tracing::record_error(&Declined as &dyn std::error::Error);
            let outer = std::io::Error::other(Declined);
            error!(error = &outer as &dyn std::error::Error, "the charge failed");
        });
        info_span!("fine").in_scope(|| {
            obs_tracing::set_status(Status::Ok, "");
            obs_tracing::set_status(Status::Error, "too late");
        });
        error_span!("logged").in_scope(|| error!(code = 5, "disk {}", "full"));
    });
    flush(&traces);
    let span = exported.span("charge");
    assert_eq!(span.events.len(), 1, "{:?}", span.events);
    assert_eq!(span.events[0].name, "exception");
    assert!(event_attribute(&span.events[0], "exception.type").unwrap().ends_with("Declined"));
    let message = event_attribute(&span.events[0], "exception.message");
    assert_eq!(message.as_deref(), Some("card declined"));
    let status = span.status.unwrap();
    assert_eq!((status.code(), status.message.as_str()), (StatusCode::Error, "card declined"));
    assert_eq!(exported.span("fine").status.unwrap().code(), StatusCode::Ok);
    let logged = exported.span("logged");
    let message = event_attribute(&logged.events[0], "exception.message");
    assert_eq!(message.as_deref(), Some("disk full"));
}

#[test]
fn events_and_links_are_exported() {
    let (layer, traces, exported) = pipeline();
    let message = std::collections::HashMap::from([(
        "traceparent".to_owned(),
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
    )]);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let batch = info_span!("batch");
        batch.add_link(&obs_tracing::propagate::extract(&message));
        batch.add_event("cache miss", &[("key", "a".into()), ("size", 3.into())]);
        let follower = info_span!(parent: None, "follower");
        follower.follows_from(&batch);
    });
    flush(&traces);
    let (batch, follower) = (exported.span("batch"), exported.span("follower"));
    assert_eq!(batch.links[0].span_id, 0xb7ad6b7169203331_u64.to_be_bytes());
    assert_eq!(batch.links[0].flags & 1, 1);
    assert_eq!(batch.events[0].name, "cache miss");
    assert_eq!(event_attribute(&batch.events[0], "size").as_deref(), Some("3"));
    assert_eq!(follower.links[0].span_id, batch.span_id);
    assert_ne!(follower.trace_id, batch.trace_id);
}

#[test]
fn explicit_parent_overrides_current_span() {
    let (layer, traces, exported) = pipeline();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let (one, other) = (info_span!("one"), info_span!("other"));
        one.in_scope(|| {
            info_span!(parent: &other, "child").in_scope(|| {
                assert_eq!(active_span(), tracing::Span::current().context());
            });
            info_span!(parent: None, "root");
        });
    });
    flush(&traces);
    assert_eq!(exported.span("child").parent_span_id, exported.span("other").span_id);
    assert!(exported.span("root").parent_span_id.is_empty());
}

#[test]
fn exporting_spans_makes_no_spans() {
    let (layer, traces, exported) = pipeline();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        info_span!("outer").in_scope(|| {
            info_span!(target: "hyper::proto", "conn").in_scope(|| {
                info_span!(target: "h2", "frame").in_scope(|| info_span!("mine").in_scope(|| {}));
            });
            info_span!(target: "h2_of_my_own", "named alike").in_scope(|| {});
        });
    });
    flush(&traces);
    assert_eq!(exported.spans().len(), 3);
    assert_eq!(exported.span("mine").parent_span_id, exported.span("outer").span_id);
    assert_eq!(exported.span("named alike").parent_span_id, exported.span("outer").span_id);
}

#[test]
fn events_are_copied_when_configured() {
    use tracing::level_filters::LevelFilter;
    let exported = common::Exported::default();
    let (layer, traces) = exported.builder().copy_events(LevelFilter::INFO).build().unwrap();
    let filter = obs_tracing::TraceFilter::default().events(LevelFilter::INFO);
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(filter));
    tracing::subscriber::with_default(subscriber, || {
        info_span!("work").in_scope(|| {
            info!(rows = 3, "half {}", "way");
            tracing::debug!("too much");
            error!("failed");
        });
        info!("outside of every span");
    });
    flush(&traces);
    let span = exported.span("work");
    let names: Vec<_> = span.events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["half way", "exception"]);
    assert_eq!(event_attribute(&span.events[0], "rows").as_deref(), Some("3"));
    assert_eq!(event_attribute(&span.events[0], "level").as_deref(), Some("INFO"));
}
