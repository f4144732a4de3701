//! Metrics: counters and histograms, found by their labels or kept, and a scrape of many series.

use obs_metrics::{Buckets, Registry};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

use crate::measure::nanoseconds;
use crate::row::Row;

const OFFICIAL: &str = "prometheus-client";
const TIKV: &str = "tikv prometheus";
const BOUNDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
const NAMES: [&str; 3] = ["method", "path", "status"];
const VALUES: [&str; 3] = ["GET", "/orders/{id}", "200"];

type Labels = [(&'static str, String); 3];

pub(crate) fn rows() -> Vec<Row> {
    let row =
        |work, peer, bar, ours, theirs| Row { pillar: "metrics", work, peer, bar, ours, theirs };
    vec![
        row("counter, cached", OFFICIAL, 0.25, counter_cached, official_counter_cached),
        row("counter, found by three labels", TIKV, 0.40, counter_found, tikv_counter_found),
        row("histogram, cached", OFFICIAL, 0.90, histogram_cached, official_histogram_cached),
        row("histogram, found by three labels", TIKV, 0.45, histogram_found, tikv_histogram_found),
        row(
            "scrape of 100,000 counter series",
            OFFICIAL,
            0.08,
            scrape_counters,
            official_scrape_counters,
        ),
    ]
}

fn counter_cached() -> f64 {
    let registry = Registry::new();
    let counter = registry.counter("requests_total", "Requests.").expect("a good name");
    nanoseconds(|| counter.inc())
}

fn official_counter_cached() -> f64 {
    let counter = Counter::<u64>::default();
    nanoseconds(|| counter.inc())
}

fn counter_found() -> f64 {
    let registry = Registry::new();
    let requests = registry.counter_vec("requests_total", "Requests.", NAMES).expect("good names");
    nanoseconds(|| requests.with(VALUES).inc())
}

fn tikv_counter_found() -> f64 {
    let options = prometheus::Opts::new("requests_total", "Requests.");
    let requests = prometheus::IntCounterVec::new(options, &NAMES).expect("good names");
    nanoseconds(|| requests.with_label_values(&VALUES).inc())
}

fn histogram_cached() -> f64 {
    let registry = Registry::new();
    let duration = registry.histogram("duration_seconds", "Duration.", Buckets::new(BOUNDS));
    let duration = duration.expect("good buckets");
    nanoseconds(|| duration.observe(0.042))
}

fn official_histogram_cached() -> f64 {
    let duration = Histogram::new(BOUNDS);
    nanoseconds(|| duration.observe(0.042))
}

fn histogram_found() -> f64 {
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

/// A hundred thousand combinations of three labels.
fn combinations() -> impl Iterator<Item = [String; 3]> {
    (0..100_000).map(|number| {
        let status = ["200", "404", "500", "503"][number % 4];
        ["GET".to_owned(), format!("/orders/{}/items", number / 4), status.to_owned()]
    })
}

fn scrape_counters() -> f64 {
    let registry = Registry::new();
    let requests = registry.counter_vec("requests_total", "Requests.", NAMES).expect("good names");
    let requests = requests.limit_series(200_000);
    for values in combinations() {
        requests.with(values.each_ref().map(String::as_str)).inc();
    }
    nanoseconds(|| registry.encode_openmetrics().len())
}

fn official_scrape_counters() -> f64 {
    let mut registry = prometheus_client::registry::Registry::default();
    let requests = Family::<Labels, Counter>::default();
    registry.register("requests", "Requests", requests.clone());
    for [method, path, status] in combinations() {
        requests.get_or_create(&[("method", method), ("path", path), ("status", status)]).inc();
    }
    nanoseconds(|| {
        let mut text = String::new();
        encode(&mut text, &registry).map(|()| text.len())
    })
}
