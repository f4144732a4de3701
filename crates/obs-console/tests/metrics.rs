//! How a series moved while a request ran.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

mod support;

use obs_console::{
    Attributes, Change, MetricSource, Observation, Series, SeriesKind, SpanKind, Store,
};
use obs_context::TraceId;
use serde_json::Value;
use support::span;

const MS: u64 = 1_000_000;

/// A request from 100 ms to 200 ms.
fn store_with_request() -> Store {
    let store = Store::default();
    let mut server = span(1, 1);
    server.kind = SpanKind::Server;
    server.start_unix_nanos = 100 * MS;
    server.duration_nanos = 100 * MS;
    server.attributes = Attributes::new(vec![
        ("http.route".into(), Value::from("/orders")),
        ("http.request.method".into(), Value::from("GET")),
        ("http.response.status_code".into(), Value::from(200)),
    ]);
    store.add_spans([server]);
    store
}

fn series(name: &str, labels: &[(&str, &str)], kind: SeriesKind) -> Series {
    let labels = labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Series { family: name.into(), name: name.into(), labels, kind }
}

fn observation(series: Series, value: f64) -> Observation {
    Observation { series, value, is_delta: false, exemplar: None }
}

fn scrape(store: &Store, ms: (u64, u64), observation: Vec<Observation>) {
    store.add_metrics("orders", MetricSource::Scrape, (ms.0 * MS, ms.1 * MS), observation);
}

fn changes(store: &Store) -> Vec<Change> {
    store.request(TraceId::new(1)).unwrap().metrics
}

fn counter() -> Series {
    series("requests_total", &[("path", "/orders")], SeriesKind::Counter)
}

#[test]
fn change_uses_only_scrapes_before_and_after_request() {
    let store = store_with_request();
    scrape(&store, (10, 20), vec![observation(counter(), 1.0)]);
    scrape(&store, (90, 110), vec![observation(counter(), 2.0)]);
    scrape(&store, (150, 160), vec![observation(counter(), 3.0)]);
    scrape(&store, (190, 210), vec![observation(counter(), 4.0)]);
    assert_eq!(changes(&store)[0].after, None, "nobody has looked since");
    scrape(&store, (220, 230), vec![observation(counter(), 5.0)]);
    scrape(&store, (300, 310), vec![observation(counter(), 9.0)]);
    let change = &changes(&store)[0];
    assert_eq!((change.before, change.after, change.delta), (Some(1.0), Some(5.0), Some(4.0)));
}

#[test]
fn change_of_new_counter_begins_at_zero() {
    let store = store_with_request();
    scrape(&store, (10, 20), vec![]);
    scrape(&store, (220, 230), vec![observation(counter(), 1.0)]);
    let change = &changes(&store)[0];
    assert_eq!((change.before, change.delta), (Some(0.0), Some(1.0)));
}

#[test]
fn change_without_later_scrape_has_no_after() {
    let store = store_with_request();
    scrape(&store, (220, 230), vec![observation(counter(), 8.0)]);
    let change = &changes(&store)[0];
    assert_eq!((change.before, change.after, change.delta), (None, Some(8.0), None));
}

#[test]
fn change_of_reset_counter_counts_from_zero() {
    let store = store_with_request();
    let gauge = || series("in_progress", &[("path", "/orders")], SeriesKind::Gauge);
    scrape(&store, (10, 20), vec![observation(counter(), 50.0), observation(gauge(), 5.0)]);
    scrape(&store, (220, 230), vec![observation(counter(), 3.0), observation(gauge(), 4.0)]);
    let deltas: Vec<_> = changes(&store).iter().map(|change| change.delta).collect();
    assert_eq!(deltas, [Some(-1.0), Some(3.0)]);
}

#[test]
fn change_selects_series_by_labels() {
    let store = store_with_request();
    let matching: [&[(&str, &str)]; 4] = [
        &[("path", "/orders")],
        &[("http_route", "/orders"), ("http_request_method", "GET")],
        &[("path", "/orders"), ("status", "200"), ("method", "GET")],
        &[("route", "/orders"), ("status", "2xx")],
    ];
    let others: [&[(&str, &str)]; 4] = [
        &[],
        &[("path", "/payments")],
        &[("path", "/orders"), ("method", "POST")],
        &[("path", "/orders"), ("status", "500")],
    ];
    let all = matching
        .iter()
        .chain(&others)
        .map(|labels| observation(series("requests_total", labels, SeriesKind::Counter), 1.0));
    scrape(&store, (10, 20), all.collect());
    assert_eq!(changes(&store).len(), matching.len());
    let elsewhere = observation(counter(), 1.0);
    store.add_metrics("payments", MetricSource::Scrape, (1, 2), [elsewhere]);
    assert_eq!(changes(&store).len(), matching.len(), "another service's series is not this one's");
}

#[test]
fn pushed_deltas_are_summed() {
    let store = store_with_request();
    for (ms, value) in [(10, 2.0), (20, 3.0), (220, 4.0)] {
        let mut observation = observation(counter(), value);
        observation.is_delta = true;
        store.add_metrics("orders", MetricSource::Push, (ms * MS, ms * MS), [observation]);
    }
    let change = &changes(&store)[0];
    assert_eq!((change.before, change.after), (Some(5.0), Some(9.0)));
}
