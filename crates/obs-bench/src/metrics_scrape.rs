//! Metrics: scrapes of many series into memory that was used before, and what a series takes on the heap.

#![allow(unsafe_code, reason = "only the allocator knows what is allocated")]

use obs_metrics::{Buckets, CounterVec, Endpoint, Registry};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

use crate::measure::nanoseconds;
use crate::metrics::{BOUNDS, NAMES, OFFICIAL};
use crate::row::Row;

const SERIES: usize = 100_000;
/// With 15 lines each, a hundred thousand lines.
const HISTOGRAMS: usize = 6_667;

type Labels = [(&'static str, String); 3];
type Official = prometheus_client::registry::Registry;

pub(crate) fn rows() -> Vec<Row> {
    let row =
        |work, peer, bar, ours, theirs| Row { pillar: "metrics", work, peer, bar, ours, theirs };
    vec![
        row("scrape of 100,000 counter series", OFFICIAL, 0.08, counters, official_counters),
        row(
            "scrape of 100,000 counter series",
            "metrics-exporter-prometheus",
            1.0,
            counters,
            metrics_counters,
        ),
        row("scrape of 100,000 histogram lines", OFFICIAL, 0.15, histograms, official_histograms),
        row("heap of a counter series (bytes)", OFFICIAL, 1.0, heap, official_heap),
    ]
}

/// Combinations of three labels.
fn combinations(count: usize) -> impl Iterator<Item = [String; 3]> {
    (0..count).map(|number| {
        let status = ["200", "404", "500", "503"][number % 4];
        ["GET".to_owned(), format!("/orders/{}/items", number / 4), status.to_owned()]
    })
}

fn fill(requests: &CounterVec<3>) {
    for values in combinations(SERIES) {
        requests.with(values.each_ref().map(String::as_str)).inc();
    }
}

fn fill_official(requests: &Family<Labels, Counter>) {
    for [method, path, status] in combinations(SERIES) {
        requests.get_or_create(&[("method", method), ("path", path), ("status", status)]).inc();
    }
}

/// The time of one answer to a scraper.
fn scrape(registry: Registry) -> f64 {
    let endpoint = Endpoint::new(registry);
    let request = http::Request::get("/metrics")
        .header("accept", "application/openmetrics-text; version=1.0.0")
        .body(());
    let (request, ()) = request.expect("a good request").into_parts();
    nanoseconds(|| endpoint.respond(&request).into_body().len())
}

fn scrape_official(registry: &Official) -> f64 {
    let mut text = String::new();
    nanoseconds(|| {
        text.clear();
        encode(&mut text, registry).map(|()| text.len())
    })
}

fn counters() -> f64 {
    let registry = Registry::new();
    let requests = registry.counter_vec("requests_total", "Requests.", NAMES).expect("good names");
    fill(&requests.limit_series(2 * SERIES));
    scrape(registry)
}

fn official_counters() -> f64 {
    let mut registry = Official::default();
    let requests = Family::<Labels, Counter>::default();
    registry.register("requests", "Requests", requests.clone());
    fill_official(&requests);
    scrape_official(&registry)
}

fn metrics_counters() -> f64 {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        for [method, path, status] in combinations(SERIES) {
            metrics::counter!("requests_total", "method" => method, "path" => path, "status" => status)
                .increment(1);
        }
    });
    let handle = recorder.handle();
    nanoseconds(|| handle.render().len())
}

fn histograms() -> f64 {
    let registry = Registry::new();
    let waits = registry.histogram_vec("wait_seconds", "Wait.", NAMES, Buckets::new(BOUNDS));
    let waits = waits.expect("good buckets").limit_series(2 * HISTOGRAMS);
    for values in combinations(HISTOGRAMS) {
        waits.with(values.each_ref().map(String::as_str)).observe(0.042);
    }
    scrape(registry)
}

fn official_histograms() -> f64 {
    let mut registry = Official::default();
    let waits = Family::<Labels, Histogram>::new_with_constructor(|| Histogram::new(BOUNDS));
    registry.register("wait_seconds", "Wait", waits.clone());
    for [method, path, status] in combinations(HISTOGRAMS) {
        let labels = [("method", method), ("path", path), ("status", status)];
        waits.get_or_create(&labels).observe(0.042);
    }
    scrape_official(&registry)
}

fn heap() -> f64 {
    let registry = Registry::new();
    let requests = registry.counter_vec("requests_total", "Requests.", NAMES).expect("good names");
    let requests = requests.limit_series(2 * SERIES);
    let before = allocated();
    fill(&requests);
    (allocated() - before) / SERIES as f64
}

fn official_heap() -> f64 {
    let requests = Family::<Labels, Counter>::default();
    let before = allocated();
    fill_official(&requests);
    (allocated() - before) / SERIES as f64
}

/// Bytes of the heap that are in use, with what the allocator adds to each piece.
fn allocated() -> f64 {
    // SAFETY: it reads the allocator's counts.
    let info = unsafe { libc::mallinfo2() };
    (info.uordblks + info.hblkhd) as f64
}
