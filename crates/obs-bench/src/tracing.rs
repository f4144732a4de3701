//! Tracing: a trace four spans deep, with two attributes and one event a span.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use fastrace::collector::{Config, Reporter, SpanRecord};
use fastrace::local::LocalSpan;
use fastrace::prelude::{Event, SpanContext};
use obs_tracing::{Builder, Sampler, TraceLayer, Traces};
use opentelemetry::KeyValue;
use opentelemetry::trace::{TraceContextExt, Tracer, TracerProvider};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace as sdk;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use sentry_core::{ClientOptions, Envelope, Hub, Transport, TransportFactory, TransportOptions};
use tracing::{Subscriber, info, info_span, subscriber::set_global_default};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

use crate::measure::nanoseconds;
use crate::row::Row;

pub(crate) const LEAN: &str = "tracing-opentelemetry + batch, lean";
const STOCK: &str = "tracing-opentelemetry + batch, default";
const SENTRY: &str = "sentry-tracing, sent nowhere";
const BARE: &str = "bare Registry";
const IDLE: &str = "Registry, a layer that does nothing";
const SDK: &str = "OpenTelemetry SDK directly";
const FASTRACE: &str = "fastrace, local spans";
pub(crate) const SPANS: f64 = 4.0;

pub(crate) fn rows() -> Vec<Row> {
    let row =
        |work, peer, bar, ours, theirs| Row { pillar: "tracing", work, peer, bar, ours, theirs };
    vec![
        row("span, sampled", LEAN, 0.22, sampled, lean_sampled),
        row("span, sampled", STOCK, f64::INFINITY, sampled, stock_sampled),
        row("span, sampled", SENTRY, f64::INFINITY, sampled, sentry_sampled),
        row("span, sampled", BARE, 1.6, sampled, bare),
        row("span, sampled", IDLE, f64::INFINITY, sampled, idle),
        row("span, sampled", SDK, f64::INFINITY, sampled, sdk_sampled),
        row("span, sampled", FASTRACE, f64::INFINITY, sampled, fastrace_sampled),
        row("span, unsampled", LEAN, 0.17, unsampled, lean_unsampled),
        row("span, unsampled", BARE, 1.1, unsampled, bare),
        row("span, unsampled", IDLE, f64::INFINITY, unsampled, idle),
        row("span, unsampled", SDK, f64::INFINITY, unsampled, sdk_unsampled),
    ]
}

pub(crate) fn sampled() -> f64 {
    with_ours(Sampler::always())
}

fn unsampled() -> f64 {
    with_ours(Sampler::never())
}

fn lean_sampled() -> f64 {
    with_lean(sdk::Sampler::AlwaysOn)
}

fn lean_unsampled() -> f64 {
    with_lean(sdk::Sampler::AlwaysOff)
}

fn bare() -> f64 {
    with(tracing_subscriber::registry())
}

/// A Registry alone never gives the place of a closed span back, and takes fresh memory for every new one:
/// that is the work of the first layer's guard. So this is what a span costs that is over when it is over.
fn idle() -> f64 {
    struct Nothing;
    impl<S: Subscriber> Layer<S> for Nothing {}
    with(tracing_subscriber::registry().with(Nothing))
}

fn with_ours(sampler: Sampler) -> f64 {
    let (layer, _traces) = ours(sampler);
    with(tracing_subscriber::registry().with(layer))
}

pub(crate) fn ours(sampler: Sampler) -> (TraceLayer, Traces) {
    Builder::new("bench")
        .sampler(sampler)
        .delay(Duration::from_millis(100))
        .export_with(|_, _| Ok(()))
        .build()
        .expect("a function to export with is all it needs")
}

fn stock_sampled() -> f64 {
    let provider = SdkTracerProvider::builder().with_batch_exporter(Nowhere).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("bench"));
    with(tracing_subscriber::registry().with(layer))
}

fn sentry_sampled() -> f64 {
    let mut options = ClientOptions::new().traces_sample_rate(1.0);
    options.dsn = "http://public@127.0.0.1/1".parse().ok();
    options.transport = Some(Arc::new(SentToNowhere));
    Hub::current().bind_client(Some(Arc::new(options.into())));
    with(tracing_subscriber::registry().with(sentry_tracing::SpanLayer::new()))
}

fn with_lean(sampler: sdk::Sampler) -> f64 {
    let provider =
        SdkTracerProvider::builder().with_sampler(sampler).with_batch_exporter(Nowhere).build();
    with(tracing_subscriber::registry().with(lean(&provider)))
}

/// The stock layer without all that can be left out.
pub(crate) fn lean<S>(provider: &SdkTracerProvider) -> OpenTelemetryLayer<S, sdk::SdkTracer>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("bench"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
}

fn sdk_sampled() -> f64 {
    with_sdk(sdk::Sampler::AlwaysOn)
}

fn sdk_unsampled() -> f64 {
    with_sdk(sdk::Sampler::AlwaysOff)
}

fn with_sdk(sampler: sdk::Sampler) -> f64 {
    let provider =
        SdkTracerProvider::builder().with_sampler(sampler).with_batch_exporter(Nowhere).build();
    let tracer = provider.tracer("bench");
    let span = |name, text: KeyValue, number: KeyValue, inner: &dyn Fn()| {
        tracer.in_span(name, |context| {
            let span = context.span();
            span.set_attribute(text);
            span.set_attribute(number);
            span.add_event("handled", vec![KeyValue::new("rows", 4)]);
            inner();
        });
    };
    let row = || span("row", KeyValue::new("key", "k-7"), KeyValue::new("bytes", 512), &|| {});
    let query = || {
        span("query", KeyValue::new("table", "orders"), KeyValue::new("limit", 10), &row);
    };
    let order = || span("order", KeyValue::new("id", "o-42"), KeyValue::new("items", 3), &query);
    let request = || {
        span("request", KeyValue::new("method", "GET"), KeyValue::new("attempt", 1), &order);
    };
    nanoseconds(request) / SPANS
}

fn fastrace_sampled() -> f64 {
    struct Drops;
    impl Reporter for Drops {
        fn report(&mut self, _: Vec<SpanRecord>) {}
    }
    fastrace::set_reporter(Drops, Config::default());
    let event = || LocalSpan::add_event(Event::new("handled").with_property(|| ("rows", "4")));
    let trace = || {
        let first = fastrace::Span::root("request", SpanContext::random())
            .with_properties(|| [("method", "GET"), ("attempt", "1")]);
        let _first = first.set_local_parent();
        event();
        let _second = LocalSpan::enter_with_local_parent("order")
            .with_properties(|| [("id", "o-42"), ("items", "3")]);
        event();
        let _third = LocalSpan::enter_with_local_parent("query")
            .with_properties(|| [("table", "orders"), ("limit", "10")]);
        event();
        let _fourth = LocalSpan::enter_with_local_parent("row")
            .with_properties(|| [("key", "k-7"), ("bytes", "512")]);
        event();
    };
    nanoseconds(trace) / SPANS
}

pub(crate) fn with(subscriber: impl Subscriber + Send + Sync) -> f64 {
    set_global_default(subscriber).expect("each contender has its own process");
    nanoseconds(trace) / SPANS
}

pub(crate) fn trace() {
    let first = info_span!("request", method = "GET", attempt = 1_u64);
    let _first = first.enter();
    info!(rows = 4_u64, "handled");
    let second = info_span!("order", id = "o-42", items = 3_u64);
    let _second = second.enter();
    info!(rows = 4_u64, "handled");
    let third = info_span!("query", table = "orders", limit = 10_u64);
    let _third = third.enter();
    info!(rows = 4_u64, "handled");
    let fourth = info_span!("row", key = "k-7", bytes = 512_u64);
    let _fourth = fourth.enter();
    info!(rows = 4_u64, "handled");
}

pub(crate) struct SentToNowhere;

impl TransportFactory for SentToNowhere {
    fn create_transport_with_options(&self, _: TransportOptions) -> Arc<dyn Transport> {
        Arc::new(Self)
    }
}

impl Transport for SentToNowhere {
    fn send_envelope(&self, _: Envelope) {}
}

/// Takes every batch and throws it away.
#[derive(Debug)]
pub(crate) struct Nowhere;

impl SpanExporter for Nowhere {
    fn export(&self, _: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        ready(Ok(()))
    }
}
