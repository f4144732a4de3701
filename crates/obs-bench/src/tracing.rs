//! Tracing: a trace four spans deep, with two attributes and one event a span.

use std::future::ready;
use std::time::Duration;

use obs_tracing::{Builder, Sampler, Traces};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace as sdk;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tracing::{Subscriber, info, info_span, subscriber::set_global_default};
use tracing_subscriber::layer::SubscriberExt;

use crate::measure::nanoseconds;
use crate::row::Row;

const LEAN: &str = "tracing-opentelemetry + batch, lean";
const BARE: &str = "bare Registry";
const SPANS: f64 = 4.0;

pub(crate) fn rows() -> Vec<Row> {
    let row =
        |work, peer, bar, ours, theirs| Row { pillar: "tracing", work, peer, bar, ours, theirs };
    vec![
        row("span, sampled", LEAN, 0.22, sampled, lean_sampled),
        row("span, sampled", BARE, 1.6, sampled, bare),
        row("span, unsampled", LEAN, 0.17, unsampled, lean_unsampled),
        row("span, unsampled", BARE, 1.1, unsampled, bare),
    ]
}

fn sampled() -> f64 {
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

fn with_ours(sampler: Sampler) -> f64 {
    let (layer, _traces): (_, Traces) = Builder::new("bench")
        .sampler(sampler)
        .delay(Duration::from_millis(100))
        .export_with(|_, _| Ok(()))
        .build()
        .expect("a function to export with is all it needs");
    with(tracing_subscriber::registry().with(layer))
}

fn with_lean(sampler: sdk::Sampler) -> f64 {
    let provider =
        SdkTracerProvider::builder().with_sampler(sampler).with_batch_exporter(Nowhere).build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("bench"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false);
    with(tracing_subscriber::registry().with(layer))
}

fn with(subscriber: impl Subscriber + Send + Sync) -> f64 {
    set_global_default(subscriber).expect("each contender has its own process");
    nanoseconds(trace) / SPANS
}

fn trace() {
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

/// Takes every batch and throws it away.
#[derive(Debug)]
struct Nowhere;

impl SpanExporter for Nowhere {
    fn export(&self, _: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        ready(Ok(()))
    }
}
