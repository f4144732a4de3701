//! Tests beside each other in one process, each with lines, spans and metrics of its own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use std::sync::LazyLock;

use ::tracing::{Instrument, error, info, info_span, instrument};
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::Request;
use http_body_util::BodyExt;
use obs_all::logging::capture::Captured;
use obs_all::metrics::CounterVec;
use obs_all::{Config, testing};
use tower::ServiceExt;

static ORDERS: LazyLock<CounterVec<1>> =
    LazyLock::new(|| obs_all::metrics::counter_vec("scoped_orders_total", "Orders.", ["of"]));

/// What a service does, on every kind of thread.
async fn work(of: &'static str) {
    info!(of, "begun");
    let task = obs_all::spawn(async move {
        tokio::task::yield_now().await;
        info!(of, "in a task");
        let blocking = obs_all::spawn_blocking(move || info!(of, "on a thread"));
        blocking.await.unwrap();
    });
    task.instrument(info_span!("waits")).await.unwrap();
    ORDERS.with([of]).inc();
}

async fn assert_own(of: &'static str) {
    let scope = testing::scope().unwrap();
    for _ in 0..20 {
        work(of).instrument(info_span!("work", of)).await;
    }
    let lines = scope.lines();
    assert_eq!(lines.len(), 60, "{lines:?}");
    assert!(lines.iter().all(|line| line["of"] == of), "{lines:?}");
    let spans = scope.spans();
    let of_work: Vec<_> = spans.iter().filter(|span| span.name() == "work").collect();
    assert_eq!(of_work.len(), 20, "{spans:?}");
    assert!(of_work.iter().all(|span| span.attribute("of").as_deref() == Some(of)));
    let traces = |line: &Captured| line["trace_id"].as_str().map(str::to_owned);
    assert!(lines.iter().all(|line| {
        let trace = traces(line);
        of_work.iter().any(|span| Some(span.trace_id()) == trace.as_deref())
    }));
    assert_eq!(scope.metric("scoped_orders_total", &[("of", of)]), Some(20.0));
    assert_eq!(scope.metric("scoped_orders_total", &[("of", "nobody")]), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scope_has_own_telemetry_on_several_threads() {
    assert_own("many").await;
}

#[tokio::test]
async fn scope_has_own_telemetry_on_one_thread() {
    assert_own("one").await;
}

#[tokio::test]
async fn scope_has_own_telemetry_beside_other_scopes() {
    assert_own("third").await;
}

#[tokio::test]
async fn request_in_scope_is_in_lines_spans_and_metrics() {
    let scope = testing::scope_of(Config::new("shop").access_log(true)).unwrap();
    let app = Router::new().route("/orders/{id}", get(async || info!("found")));
    let app = scope.obs().observe(app);
    let request = Request::get("/orders/7").body(Body::empty()).unwrap();
    app.oneshot(request).await.unwrap().into_body().collect().await.unwrap();
    let lines = scope.lines();
    assert_eq!(lines.iter().map(Captured::event).collect::<Vec<_>>(), ["found", "request"]);
    let spans = scope.spans();
    assert_eq!(spans[0].name(), "GET /orders/{id}");
    assert_eq!(lines[0]["trace_id"].as_str(), Some(spans[0].trace_id()));
    assert_eq!(lines[0]["span_id"].as_str(), Some(spans[0].span_id()));
    assert_eq!(spans[0].parent_id(), "");
    let labels = [("method", "GET"), ("path", "/orders/{id}"), ("status", "200")];
    assert_eq!(scope.metric("http_requests_total", &labels), Some(1.0));
}

#[instrument(err)]
fn charge() -> Result<(), std::io::Error> {
    Err(std::io::Error::other("declined"))
}

#[test]
fn scope_without_runtime_captures_errors() {
    let scope = testing::scope().unwrap();
    charge().unwrap_err();
    let [line] = &scope.lines()[..] else { panic!("{:?}", scope.lines()) };
    assert_eq!(line["error.message"].as_str(), Some("declined"));
    let [span] = &scope.spans()[..] else { panic!("{:?}", scope.spans()) };
    assert!(span.is_error() && span.exceptions() == ["declined"], "{span:?}");
}

#[test]
fn scope_applies_configuration() {
    let config = Config::new("shop")
        .log_filter("warn")
        .logging(|logs| logs.redact(["iban"]))
        .tracing(|traces| traces.resource("region", "eu"));
    let scope = testing::scope_of(config).unwrap();
    info!("unwanted");
    error!(iban = "DE0", "wanted");
    let [line] = &scope.lines()[..] else { panic!("{:?}", scope.lines()) };
    assert_eq!((line.event(), line["iban"].as_str()), ("wanted", Some("[redacted]")));
}

#[test]
fn dropped_scope_leaves_no_subscriber() {
    drop(testing::scope().unwrap());
    let later = testing::scope().unwrap();
    drop(later);
    assert!(::tracing::dispatcher::get_default(|current| {
        current.is::<::tracing::subscriber::NoSubscriber>()
    }));
}
