//! sqlx tells of a query in one event: the layer makes a span of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]

mod common;

use std::time::Duration;

use common::{Exported, attribute, flush};
use obs_tracing::Sampler;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use tracing::{debug, info_span};
use tracing_subscriber::prelude::*;

/// As sqlx 0.9 has it.
fn query(sql: &str, summary: &str) {
    debug!(
        target: "sqlx::query",
        summary,
        db.statement = sql,
        rows_affected = 0_u64,
        rows_returned = 3_u64,
        elapsed = ?Duration::from_millis(25),
        elapsed_secs = 0.025,
    );
}

#[test]
fn a_query_is_a_client_span() {
    let exported = Exported::default();
    let (layer, traces) = exported.builder().database_system("sqlite").build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        std::thread::sleep(Duration::from_millis(30)); // the clock begins with the process
        info_span!("request").in_scope(|| {
            query(
                "\n\nSELECT id FROM orders WHERE note = 'secret' AND id = 4711\n",
                "SELECT id FROM …",
            );
            query("", "SELECT 1");
        });
        query("", "DELETE FROM outside");
    });
    flush(&traces);
    assert_eq!(exported.spans().len(), 3);
    let span = exported.span("SELECT orders");
    assert_eq!(span.kind(), SpanKind::Client);
    assert_eq!(span.parent_span_id, exported.span("request").span_id);
    for (key, value) in [
        ("db.query.text", "SELECT id FROM orders WHERE note = ? AND id = ?"),
        ("db.operation.name", "SELECT"),
        ("db.collection.name", "orders"),
        ("db.system.name", "sqlite"),
        ("db.response.returned_rows", "3"),
    ] {
        assert_eq!(attribute(&span, key).as_deref(), Some(value));
    }
    let took = span.end_time_unix_nano - span.start_time_unix_nano;
    assert!((25_000_000..35_000_000).contains(&took), "{took}");
    let short = exported.span("SELECT");
    assert_eq!(attribute(&short, "db.query.text").as_deref(), Some("SELECT ?"));
}

#[test]
fn of_an_unsampled_trace_nothing_is_made() {
    let exported = Exported::default();
    let (layer, traces) = exported.builder().sampler(Sampler::never()).build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        info_span!("request").in_scope(|| query("SELECT 1", "SELECT 1"));
    });
    flush(&traces);
    assert_eq!((traces.counts().started, exported.spans().len()), (1, 0));
}

#[test]
fn the_wait_for_a_connection_is_a_span() {
    let exported = Exported::default();
    let (layer, traces) = exported.builder().build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        info_span!("request").in_scope(|| {
            tracing::warn!(
                target: "sqlx::pool::acquire",
                acquired_after_secs = 0.001,
                slow_acquire_threshold_secs = 2.0,
                "acquired connection, but time to acquire exceeded slow threshold"
            );
        });
    });
    flush(&traces);
    let span = exported.span("acquire connection");
    assert_eq!(span.kind(), SpanKind::Internal);
    assert!(span.end_time_unix_nano - span.start_time_unix_nano >= 1_000_000);
    assert_eq!(span.parent_span_id, exported.span("request").span_id);
}

#[test]
fn a_statement_with_its_trace() {
    let exported = Exported::default();
    let (layer, _traces) = exported.builder().build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        info_span!("request").in_scope(|| {
            let active = obs_context::active_span().unwrap();
            let (trace, span) = (active.trace_id, active.span_id);
            assert_eq!(
                obs_tracing::sql_with_trace("SELECT 1; "),
                format!("SELECT 1 /*traceparent='00-{trace}-{span}-01'*/")
            );
            assert_eq!(obs_tracing::sql_with_trace("SELECT /* x */ 1"), "SELECT /* x */ 1");
        });
    });
}
