//! Nothing grows without end, and what goes is counted.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

mod support;

use obs_console::{Filter, Limits, LogLine, MetricSource, Observation, Series, SeriesKind, Store};
use obs_context::TraceId;
use support::span;

fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

fn line(text: &str) -> LogLine {
    LogLine {
        service: "orders".into(),
        instance: None,
        unix_nanos: 1,
        level: "info".into(),
        event: text.into(),
        target: "".into(),
        trace_id: Some(TraceId::new(1)),
        span_id: None,
        request_id: Some(format!("r-{text}").into()),
        fields: Default::default(),
    }
}

fn observation(path: &str, value: f64) -> Observation {
    let series = Series {
        family: "requests".into(),
        name: "requests_total".into(),
        labels: vec![("path".into(), path.into())],
        kind: SeriesKind::Counter,
    };
    Observation { series, value, is_delta: false, exemplar: None }
}

#[test]
fn hundred_thousand_spans_stay_within_limits() {
    let limits = limits(|limits| {
        limits.traces = 1_000;
        limits.span_bytes = 4 << 20;
    });
    let store = Store::new(limits);
    for trace in 1..=25_000_u64 {
        let taken = store.add_spans((1..=4).map(|id| span(u128::from(trace), id)));
        assert_eq!((taken.accepted, taken.rejected), (4, 0));
        let stored = store.stats().stored;
        assert!(stored.traces <= 1_000 && stored.span_bytes <= 4 << 20, "{stored:?}");
    }
    let stats = store.stats();
    assert_eq!(stats.received.spans, 100_000);
    assert_eq!(stats.stored.spans + stats.evicted.spans, 100_000);
    assert_eq!(stats.stored.traces + stats.evicted.traces, 25_000);
    let newest = store.requests(&Filter { limit: 1, ..Filter::default() });
    assert_eq!(newest[0].trace_id, TraceId::new(25_000), "the oldest went");
    assert!(store.request(TraceId::new(1)).is_none());
}

#[test]
fn spans_past_byte_limit_are_evicted() {
    let store = Store::new(limits(|limits| limits.span_bytes = 100_000));
    for trace in 1..=100 {
        let mut large = span(trace, 1);
        large.name = "x".repeat(9_000).into();
        store.add_spans([large]);
    }
    let stats = store.stats();
    assert!(stats.stored.span_bytes <= 100_000, "{stats:?}");
    assert!((5..=11).contains(&stats.stored.traces), "{stats:?}");
    assert_eq!(stats.stored.traces + stats.evicted.traces, 100);

    let mut too_large = span(1_000, 1);
    too_large.name = "x".repeat(200_000).into();
    let taken = store.add_spans([too_large]);
    assert_eq!(taken.rejected, 1);
    assert!(taken.reason.unwrap().contains("span_bytes"));
    assert_eq!(store.stats().stored.traces, stats.stored.traces, "nothing had to go for it");
}

#[test]
fn spans_of_one_trace_past_limit_are_rejected() {
    let store = Store::new(limits(|limits| limits.spans_per_trace = 10));
    let taken = store.add_spans((1..=25).map(|id| span(1, id)));
    assert_eq!((taken.accepted, taken.rejected), (10, 15));
    assert!(taken.reason.unwrap().contains("spans_per_trace"));
    assert_eq!(store.stats().rejected.spans, 15);
}

#[test]
fn repeated_span_is_kept_once() {
    let store = Store::default();
    store.add_spans([span(1, 1), span(1, 1)]);
    let mut again = span(1, 1);
    again.name = "a longer name".into();
    store.add_spans([again]);
    let stats = store.stats();
    assert_eq!((stats.stored.spans, stats.received.spans_repeated), (1, 2));
    let document = store.request(TraceId::new(1)).unwrap();
    assert_eq!(&*document.spans[0].span.name, "a longer name");
}

#[test]
fn spans_with_invalid_ids_are_rejected() {
    let store = Store::default();
    let taken = store.add_spans([span(0, 1), span(1, 0)]);
    assert_eq!((taken.accepted, taken.rejected), (0, 2));
    assert_eq!(store.stats().stored.traces, 0);
}

#[test]
fn log_lines_past_count_or_byte_limit_are_evicted() {
    let store = Store::new(limits(|limits| limits.logs = 100));
    store.add_logs((0..1_000).map(|number| line(&number.to_string())));
    let stats = store.stats();
    assert_eq!((stats.stored.logs, stats.evicted.logs), (100, 900));
    let document = store.request(TraceId::new(1)).unwrap();
    assert_eq!(document.logs.len(), 100);
    assert_eq!(&*document.logs[0].event, "900", "the oldest went");
    assert_eq!(store.trace_of("r-999"), Some(TraceId::new(1)));
    assert_eq!(store.trace_of("r-0"), None, "the index forgets with the line");

    let store = Store::new(limits(|limits| limits.log_bytes = 50_000));
    store.add_logs((0..100).map(|_| line(&"x".repeat(2_000))));
    let stats = store.stats();
    assert!(stats.stored.log_bytes <= 50_000 && stats.stored.logs > 3, "{stats:?}");
    assert_eq!(stats.stored.logs + stats.evicted.logs, 100);
    assert_eq!(store.add_logs([line(&"x".repeat(60_000))]).rejected, 1);
}

#[test]
fn stale_series_are_evicted_at_limit() {
    let store = Store::new(limits(|limits| limits.series = 200));
    let look = |at: u64, paths: std::ops::Range<u32>| {
        let told = paths.map(|number| observation(&number.to_string(), 1.0));
        store.add_metrics("orders", MetricSource::Scrape, (at, at), told)
    };
    let first = look(1, 0..150);
    assert_eq!((first.accepted, first.rejected), (100, 50));
    assert!(first.reason.unwrap().contains("series"));
    look(2, 0..100);
    assert_eq!(look(3, 0..100).rejected, 0, "what is known stays");
    look(4, 200..210);
    let after_restart = look(5, 200..300);
    assert_eq!(after_restart.rejected, 0, "what is told no longer made room");
    let stats = store.stats();
    assert!(stats.stored.series <= 100 && stats.evicted.series > 0, "{stats:?}");
}

#[test]
fn series_history_past_byte_limit_is_shortened() {
    let store = Store::new(limits(|limits| limits.series_bytes = 40_000));
    for at in 1..2_000_u32 {
        let told = (0..20).map(|number| observation(&number.to_string(), f64::from(at)));
        store.add_metrics("orders", MetricSource::Scrape, (at.into(), at.into()), told);
    }
    let stats = store.stats();
    assert_eq!(stats.stored.series, 20);
    assert!(stats.stored.series_bytes <= 20_000, "{stats:?}");
}

#[test]
fn series_of_one_service_take_half_of_limit() {
    let store = Store::new(limits(|limits| limits.series = 1_000));
    let look = |service: &str, at: u64, series: u32| {
        let told = (0..series).map(|number| observation(&number.to_string(), 1.0));
        store.add_metrics(service, MetricSource::Scrape, (at, at), told)
    };
    for at in 1..5 {
        let huge = look("huge", at, 5_000);
        assert_eq!((huge.accepted, huge.rejected), (500, 4_500));
        assert!(huge.reason.unwrap().contains("one service"), "{huge:?}");
        for other in ["a", "b", "c"] {
            assert_eq!(look(other, at, 100).rejected, 0, "{other}");
        }
    }
    assert_eq!(store.stats().evicted.series, 0);

    let store = Store::new(limits(|limits| limits.series_bytes = 1 << 20));
    let long = "x".repeat(1_000);
    let told = (0..5_000).map(|number| observation(&format!("{long}{number}"), 1.0));
    let huge = store.add_metrics("huge", MetricSource::Scrape, (1, 1), told);
    assert!(huge.rejected > 0 && huge.reason.unwrap().contains("bytes"), "{huge:?}");
    let told = (0..100).map(|number| observation(&number.to_string(), 1.0));
    assert_eq!(store.add_metrics("a", MetricSource::Push, (1, 1), told).rejected, 0);
}

#[test]
fn services_past_limit_are_rejected() {
    let store = Store::new(limits(|limits| limits.services = 2));
    for service in ["a", "b", "c"] {
        let told = [observation("/", 1.0)];
        let taken = store.add_metrics(service, MetricSource::Push, (1, 1), told);
        assert_eq!(taken.rejected, u64::from(service == "c"));
        store.add_health(service, 1, Default::default());
    }
    let rejected = store.stats().rejected;
    assert_eq!((rejected.samples, rejected.health), (1, 1));
}
