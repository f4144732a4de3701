//! sqlx tells of a query in one event: the layer makes a span of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Exported, attribute, flush};
use obs_tracing::{Query, Sampler, TraceFilter};
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
fn query_is_client_span() {
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
    assert!(took >= 25_000_000, "{took}");
    let request = exported.span("request");
    assert!(span.end_time_unix_nano <= request.end_time_unix_nano);
    let short = exported.span("SELECT");
    assert_eq!(attribute(&short, "db.query.text").as_deref(), Some("SELECT ?"));
}

#[test]
fn unsampled_query_makes_no_span() {
    let exported = Exported::default();
    let (layer, traces) = exported.builder().sampler(Sampler::never()).build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        info_span!("request").in_scope(|| query("SELECT 1", "SELECT 1"));
    });
    flush(&traces);
    assert_eq!((traces.counts().started, exported.spans().len()), (1, 0));
}

#[test]
fn unsampled_queries_are_measured() {
    // A request, its two queries, and the wait for a connection.
    for (sampler, spans) in [(Sampler::always(), 4), (Sampler::never(), 0)] {
        let exported = Exported::default();
        let measured: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&measured);
        let builder = exported.builder().sampler(sampler).database_system("sqlite");
        let builder = builder.on_query(move |query| {
            let Query { system, operation, collection, duration, .. } = *query;
            let (system, operation) = (system.unwrap(), operation.unwrap_or("none"));
            let collection = collection.unwrap_or("none");
            seen.lock().unwrap().push(format!("{system} {operation} {collection} {duration:?}"));
            assert_ne!(operation, "PANIC", "as a function may");
        });
        let (layer, traces) = builder.build().unwrap();
        let filter = TraceFilter::default().every_query();
        let registry = tracing_subscriber::registry().with(layer.with_filter(filter));
        tracing::subscriber::with_default(registry, || {
            info_span!("request").in_scope(|| {
                query("\nSELECT id FROM orders\n", "SELECT id FROM …");
                query("", "PANIC");
                tracing::warn!(target: "sqlx::pool::acquire", acquired_after_secs = 0.001);
            });
            query("", "DELETE FROM outside");
        });
        flush(&traces);
        let expected =
            ["sqlite SELECT orders 25ms", "sqlite PANIC none 25ms", "sqlite DELETE outside 25ms"];
        assert_eq!(*measured.lock().unwrap(), expected);
        assert_eq!(exported.spans().len(), spans);
    }
    assert!(obs_guard::panics().any(|(place, panics)| place == "tracing.on_query" && panics == 2));
}

#[test]
fn waiting_for_connection_is_span() {
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
fn statement_carries_trace_comment() {
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

/// As sea-orm 2.0.4 has it with `tracing-spans` (`src/database/tracing_spans.rs`): around the query, whose
/// text is told where `record_stmt_in_spans` is on; sqlx's event comes from inside.
macro_rules! sea_orm {
    ($name:literal, $operation:expr, $statement:expr, $result:expr, $inside:expr) => {{
        let operation: &str = $operation;
        let span = info_span!(
            target: "sea_orm::database::db_connection",
            $name,
            otel.kind = "client",
            db.system = "postgresql",
            db.operation = %operation,
            db.statement = tracing::field::Empty,
            otel.status_code = tracing::field::Empty,
            exception.message = tracing::field::Empty,
        );
        let statement: Option<&str> = $statement;
        if let Some(statement) = statement {
            span.record("db.statement", statement);
        }
        span.in_scope(|| $inside);
        let result: Result<(), &str> = $result;
        match result {
            Ok(()) => span.record("otel.status_code", "OK"),
            Err(error) => span
                .record("otel.status_code", "ERROR")
                .record("exception.message", tracing::field::display(error)),
        };
    }};
}

#[test]
fn sea_orm_spans_use_current_conventions() {
    let exported = Exported::default();
    let (layer, traces) = exported.builder().build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let text = "SELECT id FROM orders WHERE note = 'secret'";
        sea_orm!("sea_orm.query_all", "SELECT", Some(text), Ok(()), {});
        sea_orm!("sea_orm.execute", "INSERT", None, Err("Query Error: disk full"), {});
        sea_orm!("sea_orm.begin", "EXECUTE", None, Ok(()), {});
        sea_orm!("sea_orm.execute_unprepared", "EXECUTE", None, Ok(()), {});
    });
    flush(&traces);
    let span = exported.span("SELECT orders");
    assert_eq!(span.kind(), SpanKind::Client);
    assert_eq!(
        span.status.clone().unwrap_or_default().code,
        0,
        "a success is the application's to declare"
    );
    let mut keys = common::keys(&span);
    keys.sort_unstable();
    let known = [
        "db.collection.name",
        "db.operation.name",
        "db.query.summary",
        "db.query.text",
        "db.system.name",
    ];
    assert_eq!(keys, known);
    assert_eq!(attribute(&span, "db.system.name").as_deref(), Some("postgresql"));
    let text = attribute(&span, "db.query.text");
    assert_eq!(text.as_deref(), Some("SELECT id FROM orders WHERE note = ?"));

    let failed = exported.span("INSERT");
    assert_eq!(attribute(&failed, "error.type").as_deref(), Some("sea_orm::DbErr"));
    assert_eq!(attribute(&failed, "exception.message"), None);
    let status = failed.status.clone().unwrap_or_default();
    assert_eq!((status.code, &*status.message), (2, "Query Error: disk full"));

    assert_eq!(attribute(&exported.span("BEGIN"), "db.operation.name").as_deref(), Some("BEGIN"));
    let unknown = exported.span("sea_orm.execute_unprepared");
    assert_eq!(attribute(&unknown, "db.operation.name"), None);
}

#[test]
fn sea_orm_query_is_one_span() {
    let exported = Exported::default();
    let (layer, traces) = exported.builder().build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let text = "SELECT id FROM orders WHERE id = 4711";
        sea_orm!("sea_orm.query_one", "SELECT", None, Ok(()), query(text, "SELECT id FROM …"));
    });
    flush(&traces);
    assert_eq!(exported.spans().len(), 1);
    let span = exported.span("SELECT orders");
    let text = attribute(&span, "db.query.text");
    assert_eq!(text.as_deref(), Some("SELECT id FROM orders WHERE id = ?"));
    assert_eq!(attribute(&span, "db.response.returned_rows").as_deref(), Some("3"));
    assert_eq!(attribute(&span, "db.system.name").as_deref(), Some("postgresql"));
    assert_eq!(traces.counts().started, 1);
}

/// At TRACE sea-orm makes a span of each of its functions, around and inside the other; and sqlx's driver for
/// SQLite tells of a query on a thread of its own, which enters the innermost of them.
#[test]
fn sea_orm_internal_steps_make_no_spans() {
    let exported = Exported::default();
    let (layer, traces) = exported.builder().build().unwrap();
    let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(layer));
    tracing::dispatcher::with_default(&dispatch, || {
        let url = "postgres://user:secret@db/orders";
        tracing::trace_span!(target: "sea_orm::database", "connect", url).in_scope(|| {});
        let text = "SELECT id FROM orders WHERE id = 4711";
        sea_orm!("sea_orm.query_one", "SELECT", None, Ok(()), {
            let step = tracing::trace_span!(target: "sea_orm::driver::sqlx_sqlite", "query_one");
            let current = step.in_scope(tracing::Span::current);
            let (dispatch, driver) = (dispatch.clone(), current.clone());
            let driver = std::thread::spawn(move || {
                tracing::dispatcher::with_default(&dispatch, || {
                    driver.in_scope(|| query(text, "SELECT id FROM …"));
                    drop(driver);
                });
            });
            driver.join().unwrap();
        });
    });
    flush(&traces);
    assert_eq!(exported.spans().len(), 1);
    let text = attribute(&exported.span("SELECT orders"), "db.query.text");
    assert_eq!(text.as_deref(), Some("SELECT id FROM orders WHERE id = ?"));
    assert_eq!(traces.counts().started, 1);
}

struct Panicking(&'static str);

impl std::fmt::Debug for Panicking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)?;
        panic!("a statement's own code")
    }
}

#[test]
fn panicking_debug_of_statement_keeps_span_without_literals() {
    let exported = Exported::default();
    let (layer, traces) = exported.builder().build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        info_span!("request").in_scope(|| {
            for statement in ["SELECT id FROM orders WHERE note = 'secret", "DELETE FROM orders "] {
                debug!(
                    target: "sqlx::query",
                    summary = ?Panicking("a summary"),
                    db.statement = tracing::field::debug(Panicking(statement)),
                    elapsed_secs = 0.025,
                );
            }
        });
    });
    flush(&traces);
    assert_eq!(exported.spans().len(), 3);
    let cut = attribute(&exported.span("SELECT orders"), "db.query.text");
    assert_eq!(cut.as_deref(), Some("SELECT id FROM orders WHERE note = ?"));
    let marked = attribute(&exported.span("DELETE orders"), "db.query.text");
    assert_eq!(marked.as_deref(), Some("DELETE FROM orders <its Debug or Display panicked>"));
    assert!(obs_guard::panics().any(|(place, panics)| place == "format" && panics == 4));
}
