//! Beside the layers of others, in either order: each does what it does alone.
//!
//! console-subscriber's layer cannot be built without `--cfg tokio_unstable`; `Watcher` is made as it is:
//! a filter of its own for the targets of tokio, data in the extensions of the spans that it watches.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod common;

use std::sync::{Arc, Mutex};

use common::Kept;
use obs_logging::{Builder, Delivery, Format, LogLayer, Logging, Output};
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Dispatch, Subscriber, info, info_span, span, trace_span};
use tracing_error::{ErrorLayer, SpanTrace};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

fn ours<S: Subscriber + for<'a> LookupSpan<'a>>() -> (LogLayer<S>, Kept, Logging) {
    let kept = Kept::default();
    let (layer, logging) = Builder::new()
        .format(Format::Json)
        .filter("info")
        .delivery(Delivery::Blocking)
        .output(Output::writer(kept.clone()))
        .build()
        .unwrap();
    (layer, kept, logging)
}

/// What tokio-console's layer does to spans.
#[derive(Clone, Default)]
struct Watcher(Arc<Mutex<Vec<String>>>);

struct Polls(u32);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Watcher {
    fn on_new_span(&self, _: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        context.span(id).unwrap().extensions_mut().insert(Polls(0));
    }

    fn on_enter(&self, id: &span::Id, context: Context<'_, S>) {
        context.span(id).unwrap().extensions_mut().get_mut::<Polls>().unwrap().0 += 1;
    }

    fn on_close(&self, id: span::Id, context: Context<'_, S>) {
        let span = context.span(&id).unwrap();
        let polls = span.extensions().get::<Polls>().unwrap().0;
        self.0.lock().unwrap().push(format!("{} {polls}", span.name()));
    }
}

fn watched<S: Subscriber + for<'a> LookupSpan<'a>>(watcher: &Watcher) -> impl Layer<S> + use<S> {
    let tokio = Targets::new().with_target("tokio", tracing::Level::TRACE);
    watcher.clone().with_filter(tokio)
}

/// A task of tokio's, a request inside of it, and a line with what the others know of it.
fn story() {
    let task = trace_span!(target: "tokio::task", "runtime.spawn", task.id = 7);
    for _ in 0..3 {
        let _entered = task.enter();
        let request = info_span!("request", request_id = "r-1").entered();
        let trace = request.context().span().span_context().trace_id();
        let error_trace = SpanTrace::capture();
        info!(otel = %trace, spans = %error_trace, "line");
    }
}

fn check(dispatch: &Dispatch, kept: &Kept, watcher: &Watcher) {
    tracing::dispatcher::with_default(dispatch, story);
    let lines = kept.lines();
    assert_eq!(lines.len(), 3);
    for line in &lines {
        assert_eq!(line["request_id"], "r-1");
        assert!(line["task.id"].is_null(), "the filter of the lines does not want that span");
        let trace = line["otel"].as_str().unwrap();
        assert!(trace.len() == 32 && trace.bytes().any(|byte| byte != b'0'), "{trace}");
        assert!(line["spans"].as_str().unwrap().contains("request"), "{line:?}");
    }
    assert_eq!(*watcher.0.lock().unwrap(), ["runtime.spawn 3"]);
}

#[test]
fn foreign_layers_around_log_layer_work_unchanged() {
    let provider = SdkTracerProvider::builder().build();
    let (lines, kept, _logging) = ours();
    let watcher = Watcher::default();
    let subscriber = Registry::default()
        .with(lines)
        .with(watched(&watcher))
        .with(ErrorLayer::default())
        .with(tracing_opentelemetry::layer().with_tracer(provider.tracer("test")));
    check(&Dispatch::new(subscriber), &kept, &watcher);
}

#[test]
fn foreign_layers_inside_log_layer_work_unchanged() {
    let provider = SdkTracerProvider::builder().build();
    let (lines, kept, _logging) = ours();
    let watcher = Watcher::default();
    let subscriber = Registry::default()
        .with(tracing_opentelemetry::layer().with_tracer(provider.tracer("test")))
        .with(ErrorLayer::default())
        .with(watched(&watcher))
        .with(lines);
    check(&Dispatch::new(subscriber), &kept, &watcher);
}

#[test]
fn two_log_layers_keep_separate_filters() {
    let (first, first_kept, _first) = ours();
    let kept = Kept::default();
    let (second, _second) = Builder::new()
        .format(Format::Json)
        .filter("warn")
        .delivery(Delivery::Blocking)
        .output(Output::writer(kept.clone()))
        .build()
        .unwrap();
    let dispatch = Dispatch::new(Registry::default().with(first).with(second));
    tracing::dispatcher::with_default(&dispatch, || {
        let _span = info_span!("request", request_id = "r-1").entered();
        info!("for one");
        tracing::warn!("for both");
    });
    assert_eq!(first_kept.lines().len(), 2);
    assert_eq!(first_kept.lines()[1]["request_id"], "r-1");
    assert_eq!(kept.line()["event"], "for both");
    assert!(kept.line()["request_id"].is_null());
}

/// Logs whenever a span closes.
struct LogsOnClose;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LogsOnClose {
    fn on_close(&self, id: span::Id, context: Context<'_, S>) {
        let name = context.span(&id).map(|span| span.name());
        info!(name, "closed");
    }
}

#[test]
fn layer_logging_on_close_with_explicit_parents_loses_no_line() {
    let (layer, kept, _logging) = ours();
    let dispatch = Dispatch::new(Registry::default().with(layer).with(LogsOnClose));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                tracing::dispatcher::with_default(&dispatch, || {
                    for n in 0..200 {
                        let outer = info_span!("outer", n);
                        let inner = info_span!(parent: &outer, "inner", n);
                        let id = inner.id();
                        drop(outer);
                        let closer = std::thread::spawn({
                            let dispatch = dispatch.clone();
                            move || tracing::dispatcher::with_default(&dispatch, || drop(inner))
                        });
                        info!(parent: id, n, "event");
                        closer.join().unwrap();
                    }
                });
            });
        }
    });
    let lines = kept.lines();
    let events = lines.iter().filter(|line| line["event"] == "event").count();
    // The registry may forget to close an outer span that ends during an event.
    let closed = lines.iter().filter(|line| line["name"] == "inner").count();
    assert_eq!((events, closed), (800, 800));
}
