//! Metrics: counters and histograms, found by their labels or kept, by one thread and by two.

use obs_metrics::{Buckets, Registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

use crate::measure::nanoseconds;
use crate::row::Row;

pub(crate) const OFFICIAL: &str = "prometheus-client";
const TIKV: &str = "tikv prometheus";
const METRICS: &str = "metrics-exporter-prometheus";
pub(crate) const BOUNDS: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
pub(crate) const NAMES: [&str; 3] = ["method", "path", "status"];
pub(crate) const VALUES: [&str; 3] = ["GET", "/orders/{id}", "200"];

pub(crate) fn rows() -> Vec<Row> {
    let row =
        |work, peer, bar, ours, theirs| Row { pillar: "metrics", work, peer, bar, ours, theirs };
    vec![
        row("counter, cached", OFFICIAL, 0.25, counter_cached, official_counter_cached),
        row("counter, found by three labels", TIKV, 0.40, counter_found, tikv_counter_found),
        row("histogram, cached", OFFICIAL, 0.90, histogram_cached, official_histogram_cached),
        row("histogram, found by three labels", TIKV, 0.45, histogram_found, tikv_histogram_found),
        row("counter, cached, two threads", OFFICIAL, 0.10, two::counter, two::official_counter),
        row("counter, found, two threads", TIKV, 0.12, two::counter_found, two::tikv_counter_found),
        row(
            "histogram, cached, two threads",
            OFFICIAL,
            0.35,
            two::histogram,
            two::official_histogram,
        ),
        row(
            "histogram, found, two threads",
            TIKV,
            0.20,
            two::histogram_found,
            two::tikv_histogram_found,
        ),
        row("counter, cached", METRICS, 1.0, counter_cached, metrics_counter_cached),
        row("counter, found by three labels", METRICS, 1.0, counter_found, metrics_counter_found),
    ]
}

pub(crate) fn counter_cached() -> f64 {
    let registry = Registry::new();
    let counter = registry.counter("requests_total", "Requests.").expect("a good name");
    nanoseconds(|| counter.inc())
}

fn official_counter_cached() -> f64 {
    let counter = Counter::<u64>::default();
    nanoseconds(|| counter.inc())
}

pub(crate) fn counter_found() -> f64 {
    let registry = Registry::new();
    let requests = registry.counter_vec("requests_total", "Requests.", NAMES).expect("good names");
    nanoseconds(|| requests.with(VALUES).inc())
}

fn tikv_counter_found() -> f64 {
    let options = prometheus::Opts::new("requests_total", "Requests.");
    let requests = prometheus::IntCounterVec::new(options, &NAMES).expect("good names");
    nanoseconds(|| requests.with_label_values(&VALUES).inc())
}

pub(crate) fn histogram_cached() -> f64 {
    let registry = Registry::new();
    let duration = registry.histogram("duration_seconds", "Duration.", Buckets::new(BOUNDS));
    let duration = duration.expect("good buckets");
    nanoseconds(|| duration.observe(0.042))
}

fn official_histogram_cached() -> f64 {
    let duration = Histogram::new(BOUNDS);
    nanoseconds(|| duration.observe(0.042))
}

pub(crate) fn histogram_found() -> f64 {
    let registry = Registry::new();
    let duration =
        registry.histogram_vec("duration_seconds", "Duration.", NAMES, Buckets::new(BOUNDS));
    let duration = duration.expect("good buckets");
    nanoseconds(|| duration.with(VALUES).observe(0.042))
}

fn tikv_histogram_found() -> f64 {
    let options =
        prometheus::HistogramOpts::new("duration_seconds", "Duration.").buckets(BOUNDS.to_vec());
    let duration = prometheus::HistogramVec::new(options, &NAMES).expect("good buckets");
    nanoseconds(|| duration.with_label_values(&VALUES).observe(0.042))
}

/// The counter of the `metrics` facade, with its Prometheus recorder.
fn metrics_counter_cached() -> f64 {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let counter = metrics::with_local_recorder(&recorder, || metrics::counter!("requests_total"));
    nanoseconds(|| counter.increment(1))
}

fn metrics_counter_found() -> f64 {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let [method, path, status] = VALUES;
    metrics::with_local_recorder(&recorder, || {
        nanoseconds(|| {
            metrics::counter!("requests_total", "method" => method, "path" => path, "status" => status)
                .increment(1);
        })
    })
}

/// The same work by two threads at once.
mod two {
    use super::{BOUNDS, Buckets, Counter, Histogram, NAMES, Registry, VALUES};
    use crate::parallel::nanoseconds;

    pub(super) fn counter() -> f64 {
        let counter = Registry::new().counter("requests_total", "Requests.").expect("a good name");
        nanoseconds(|| counter.inc())
    }

    pub(super) fn official_counter() -> f64 {
        let counter = Counter::<u64>::default();
        nanoseconds(|| counter.inc())
    }

    pub(super) fn counter_found() -> f64 {
        let requests = Registry::new().counter_vec("requests_total", "Requests.", NAMES);
        let requests = requests.expect("good names");
        nanoseconds(|| requests.with(VALUES).inc())
    }

    pub(super) fn tikv_counter_found() -> f64 {
        let options = prometheus::Opts::new("requests_total", "Requests.");
        let requests = prometheus::IntCounterVec::new(options, &NAMES).expect("good names");
        nanoseconds(|| requests.with_label_values(&VALUES).inc())
    }

    pub(super) fn histogram() -> f64 {
        let duration = Registry::new().histogram("duration_seconds", "D.", Buckets::new(BOUNDS));
        let duration = duration.expect("good buckets");
        nanoseconds(|| duration.observe(0.042))
    }

    pub(super) fn official_histogram() -> f64 {
        let duration = Histogram::new(BOUNDS);
        nanoseconds(|| duration.observe(0.042))
    }

    pub(super) fn histogram_found() -> f64 {
        let registry = Registry::new();
        let duration =
            registry.histogram_vec("duration_seconds", "D.", NAMES, Buckets::new(BOUNDS));
        let duration = duration.expect("good buckets");
        nanoseconds(|| duration.with(VALUES).observe(0.042))
    }

    pub(super) fn tikv_histogram_found() -> f64 {
        let options = prometheus::HistogramOpts::new("duration_seconds", "D.");
        let options = options.buckets(BOUNDS.to_vec());
        let duration = prometheus::HistogramVec::new(options, &NAMES).expect("good buckets");
        nanoseconds(|| duration.with_label_values(&VALUES).observe(0.042))
    }
}
