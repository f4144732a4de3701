//! Error tracking: what it adds to lines that are no errors, and what an error costs the thread that fails.

mod peer;
mod work;

use std::time::Duration;

use http::Request;
use obs_context::{ActiveSpan, Route, SpanId, TraceId, set_active_span};
use obs_errors::http::WatchErrors;
use obs_errors::{Builder, ErrorLayer, Errors, Outcome, Report};
use obs_http::{Exchange, Observe, ObserveLayer};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

use crate::measure::nanoseconds;
use crate::row::Row;
use work::{Refused, added, failed_line, failures, with};

const ROUTE: fn(&http::request::Parts) -> Option<Route> = |_| Some(Route::intern("/orders/{id}"));
const LINES: &str = "sentry-tracing, breadcrumbs";
const STACKS: &str = "sentry-tracing, attach_stacktrace";
const CAPTURES: &str = "sentry-core, attach_stacktrace";
const TOWER: &str = "sentry-tower";
const ABSOLUTE: &str = "the bar, 300 ns";
const BARE: &str = "bare tracing";

pub(crate) fn rows() -> Vec<Row> {
    let row =
        |work, peer, bar, ours, theirs| Row { pillar: "errors", work, peer, bar, ours, theirs };
    let bar = || 300.0;
    let (line, none) = ("info! in a request, what it adds", f64::INFINITY);
    vec![
        row(line, ABSOLUTE, 1.0, added_in_request, bar),
        row(line, LINES, none, added_in_request, peer::added),
        row("info! outside, what it adds", ABSOLUTE, 1.0, added_outside, bar),
        row("debug!", BARE, 1.1, debug, bare_debug),
        row("error! with a stack", STACKS, 1.0 / 20.0, logged, peer::logged),
        row("capture with a stack", CAPTURES, 1.0 / 20.0, captured, peer::captured),
        row("request that does not fail", TOWER, none, request, peer::request),
    ]
}

fn tracking() -> (ErrorLayer, Errors) {
    // Every error is told: what the limit leaves out costs less.
    let builder = Builder::new("bench").environment(|_| None);
    let builder = builder.limit(u32::MAX, Duration::from_millis(1));
    builder.sink(|_: &Report| Outcome::Delivered).build().expect("a sink is all it needs")
}

/// Until it is dropped, this thread works for a request with a span.
fn in_request<T>(errors: &Errors, work: impl FnOnce() -> T) -> T {
    let (trace_id, span_id) = (TraceId::new(0x0af7_6519), SpanId::new(0xb7ad));
    let route = ROUTE(&Request::new(()).into_parts().0);
    set_active_span(Some(ActiveSpan { trace_id, span_id, sampled: true, name: "request", route }));
    let request = Request::get("/orders/17").body(()).expect("a request");
    let exchange = WatchErrors::new(errors).begin(&mut request.into_parts().0, None);
    let entered = exchange.enter();
    let done = work();
    drop(entered);
    done
}

fn added_in_request() -> f64 {
    let (layer, errors) = tracking();
    let subscriber = tracing_subscriber::registry().with(LevelFilter::INFO).with(layer);
    in_request(&errors, || added(subscriber))
}

fn added_outside() -> f64 {
    let (layer, _errors) = tracking();
    added(tracing_subscriber::registry().with(LevelFilter::INFO).with(layer))
}

fn debug() -> f64 {
    let (layer, errors) = tracking();
    let subscriber = tracing_subscriber::registry().with(LevelFilter::INFO).with(layer);
    in_request(&errors, || with(subscriber, unwanted))
}

fn bare_debug() -> f64 {
    let subscriber = tracing_subscriber::registry().with(LevelFilter::INFO);
    with(subscriber, unwanted)
}

/// The same machine code for both: so short a loop depends on where it lies.
#[inline(never)]
fn unwanted() -> f64 {
    nanoseconds(|| tracing::debug!("not wanted"))
}

fn logged() -> f64 {
    let (layer, errors) = tracking();
    let subscriber = tracing_subscriber::registry().with(LevelFilter::INFO).with(layer);
    let flush = || flush(&errors);
    in_request(&errors, || with(subscriber, || failures(failed_line, flush)))
}

fn captured() -> f64 {
    let (layer, errors) = tracking();
    let subscriber = tracing_subscriber::registry().with(LevelFilter::INFO).with(layer);
    let capture = || assert!(errors.capture(&Refused).is_some(), "every error is told");
    in_request(&errors, || with(subscriber, || failures(capture, || flush(&errors))))
}

fn flush(errors: &Errors) {
    let flushed = errors.flush(Duration::from_secs(60));
    assert!(flushed.complete() && flushed.lost == 0, "what is lost costs less: {flushed:?}");
}

fn request() -> f64 {
    let (_layer, errors) = tracking();
    let layer = ObserveLayer::new(WatchErrors::new(&errors), ROUTE);
    in_request(&errors, || peer::requests(tower::ServiceBuilder::new().layer(layer)))
}
