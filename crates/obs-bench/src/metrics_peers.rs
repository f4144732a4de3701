//! Metrics: the clients that no bar is measured against, some of them in other languages.

use std::process::Command;
use std::time::Duration;

use fastmetrics::encoder::{EncodeLabelSet, LabelSetEncoder};
use fastmetrics::metrics::counter::Counter as FastCounter;
use fastmetrics::metrics::family::Family;
use fastmetrics::metrics::histogram::Histogram as FastHistogram;
use fastmetrics::raw::LabelSetSchema;
use measured::lasso::ThreadedRodeo;
use measured::metric::histogram::Thresholds;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};

use crate::measure::nanoseconds;
use crate::metrics::{
    BOUNDS, VALUES, counter_cached, counter_found, histogram_cached, histogram_found,
};
use crate::row::Row;

const CACHED: &str = "counter, cached";
const FOUND: &str = "counter, found by three labels";
const HISTOGRAM: &str = "histogram, cached";
const HISTOGRAM_FOUND: &str = "histogram, found by three labels";

pub(crate) fn rows() -> Vec<Row> {
    let row = |work, peer, ours, theirs| Row {
        pillar: "metrics",
        work,
        peer,
        bar: f64::INFINITY,
        ours,
        theirs,
    };
    vec![
        row(CACHED, "measured", counter_cached, measured_counter),
        row(FOUND, "measured", counter_found, measured_counter_found),
        row(HISTOGRAM, "measured", histogram_cached, measured_histogram),
        row(CACHED, "fastmetrics", counter_cached, fast_counter),
        row(FOUND, "fastmetrics", counter_found, fast_counter_found),
        row(HISTOGRAM, "fastmetrics", histogram_cached, fast_histogram),
        // It keeps no child: every call looks its series up.
        row(CACHED, "opentelemetry_sdk, no labels", counter_cached, otel_counter),
        row(FOUND, "opentelemetry_sdk", counter_found, otel_counter_found),
        row(HISTOGRAM_FOUND, "opentelemetry_sdk", histogram_found, otel_histogram_found),
        row(CACHED, "prometheus_client (Python)", counter_cached, python::<0>),
        row(FOUND, "prometheus_client (Python)", counter_found, python::<1>),
        row(HISTOGRAM, "prometheus_client (Python)", histogram_cached, python::<2>),
        row(CACHED, "prom-client (Node)", counter_cached, node::<0>),
        row(FOUND, "prom-client (Node)", counter_found, node::<1>),
        row(HISTOGRAM, "prom-client (Node)", histogram_cached, node::<2>),
    ]
}

#[derive(measured::LabelGroup)]
#[label(set = MeasuredSet)]
struct MeasuredLabels<'a> {
    #[label(dynamic_with = ThreadedRodeo, default)]
    method: &'a str,
    #[label(dynamic_with = ThreadedRodeo, default)]
    path: &'a str,
    #[label(dynamic_with = ThreadedRodeo, default)]
    status: &'a str,
}

fn measured_counter() -> f64 {
    let counter = measured::Counter::new();
    nanoseconds(|| counter.get_metric().inc())
}

fn measured_counter_found() -> f64 {
    let requests = measured::CounterVec::with_label_set(MeasuredSet::default());
    let [method, path, status] = VALUES;
    nanoseconds(|| requests.inc(MeasuredLabels { method, path, status }))
}

fn measured_histogram() -> f64 {
    let duration = measured::Histogram::with_metadata(Thresholds::with_buckets(BOUNDS));
    nanoseconds(|| duration.observe(0.042))
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct FastLabels([&'static str; 3]);

impl LabelSetSchema for FastLabels {
    fn names() -> Option<&'static [&'static str]> {
        Some(&crate::metrics::NAMES)
    }
}

impl EncodeLabelSet for FastLabels {
    fn encode(&self, encoder: &mut dyn LabelSetEncoder) -> fastmetrics::error::Result<()> {
        for label in crate::metrics::NAMES.into_iter().zip(self.0) {
            encoder.encode(&label)?;
        }
        Ok(())
    }
}

fn fast_counter() -> f64 {
    let counter = <FastCounter>::default();
    nanoseconds(|| counter.inc())
}

fn fast_counter_found() -> f64 {
    let requests = Family::<FastLabels, FastCounter>::default();
    nanoseconds(|| {
        requests.with_or_new(&FastLabels(VALUES), fastmetrics::metrics::counter::Counter::inc);
    })
}

fn fast_histogram() -> f64 {
    let duration = FastHistogram::new(BOUNDS);
    nanoseconds(|| duration.observe(0.042))
}

/// An exporter that throws everything away.
struct Nowhere;

impl PushMetricExporter for Nowhere {
    async fn export(&self, _: &ResourceMetrics) -> OTelSdkResult {
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

fn otel(measure: impl FnOnce(&Meter) -> f64) -> f64 {
    let hour = Duration::from_secs(3600);
    let reader = PeriodicReader::builder(Nowhere).with_interval(hour).build();
    let provider = SdkMeterProvider::builder().with_reader(reader).build();
    measure(&provider.meter("bench"))
}

fn key_values() -> [KeyValue; 3] {
    let [method, path, status] = VALUES;
    [KeyValue::new("method", method), KeyValue::new("path", path), KeyValue::new("status", status)]
}

fn otel_counter() -> f64 {
    otel(|meter| {
        let counter = meter.u64_counter("requests").build();
        nanoseconds(|| counter.add(1, &[]))
    })
}

fn otel_counter_found() -> f64 {
    otel(|meter| {
        let counter = meter.u64_counter("requests").build();
        nanoseconds(|| counter.add(1, &key_values()))
    })
}

fn otel_histogram_found() -> f64 {
    otel(|meter| {
        let duration = meter.f64_histogram("duration").with_boundaries(BOUNDS.to_vec()).build();
        nanoseconds(|| duration.record(0.042, &key_values()))
    })
}

fn python<const LINE: usize>() -> f64 {
    script("python3", "-c", include_str!("../peers/metrics.py"), LINE)
}

fn node<const LINE: usize>() -> f64 {
    script("node", "-e", include_str!("../peers/metrics.js"), LINE)
}

/// What a client of another language prints; no figure where it is not installed.
fn script(program: &str, argument: &str, text: &str, line: usize) -> f64 {
    let output = Command::new(program).args([argument, text]).output();
    let printed = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    let Some(printed) = printed else {
        eprintln!("the client for {program} is not installed");
        return f64::NAN;
    };
    let printed = String::from_utf8_lossy(&printed);
    printed.lines().nth(line).and_then(|line| line.trim().parse().ok()).unwrap_or(f64::NAN)
}
