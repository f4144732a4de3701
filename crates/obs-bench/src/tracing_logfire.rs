//! Tracing: logfire's layer. It stands on an OpenTelemetry of its own, one version behind ours.

use std::future::ready;

use opentelemetry_sdk_of_logfire::error::OTelSdkResult;
use opentelemetry_sdk_of_logfire::trace::{BatchSpanProcessor, SpanData, SpanExporter};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

use crate::row::Row;
use crate::tracing::{sampled, with};

pub(crate) fn rows() -> Vec<Row> {
    vec![Row {
        pillar: "tracing",
        work: "span, sampled",
        peer: "logfire + batch, sent nowhere",
        bar: f64::INFINITY,
        ours: sampled,
        theirs: logfire_sampled,
    }]
}

fn logfire_sampled() -> f64 {
    let logfire = logfire::configure()
        .local() // nothing global: the subscriber is put together as everybody's is
        .send_to_logfire(false)
        .with_console(None)
        .with_metrics(None)
        .with_install_panic_handler(false)
        .with_default_level_filter(LevelFilter::INFO)
        .with_additional_span_processor(BatchSpanProcessor::builder(Nowhere).build())
        .finish()
        .expect("what is sent nowhere needs no token");
    with(tracing_subscriber::registry().with(logfire.tracing_layer()))
}

/// Takes every batch and throws it away.
#[derive(Debug)]
struct Nowhere;

impl SpanExporter for Nowhere {
    fn export(&self, _: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        ready(Ok(()))
    }
}
