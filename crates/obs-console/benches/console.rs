//! What the console's work costs: taking spans in, joining a request, reading a page of metrics.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use std::fmt::Write;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use obs_console::{
    Attributes, Filter, MetricSource, Span, SpanKind, SpanStatus, StatusFilter, Store,
    parse_openmetrics,
};
use obs_context::{SpanId, TraceId};
use serde_json::Value;

fn span(trace_id: u64, span_id: u64) -> Span {
    let keys = ["http.request.method", "http.route", "url.path", "server.address", "user"];
    let pairs = keys.iter().map(|key| ((*key).into(), Value::from("a value of some length")));
    Span {
        trace_id: TraceId::new(trace_id.into()),
        span_id: SpanId::new(span_id),
        parent_span_id: (span_id > 1).then(|| SpanId::new(span_id - 1)),
        service: "orders".into(),
        instance: None,
        name: "GET /orders/{id}".into(),
        kind: SpanKind::Server,
        start_unix_nanos: 1_000 * span_id,
        duration_nanos: 10_000,
        status: SpanStatus::Unset,
        status_message: "".into(),
        attributes: Attributes::new(pairs.collect()),
        events: Vec::new(),
        links: Vec::new(),
    }
}

/// A store with 10,000 traces of 8 spans and 1,000 series.
fn full_store() -> Store {
    let store = Store::default();
    for trace in 1..=10_000 {
        store.add_spans((1..=8).map(|number| span(trace, number)));
    }
    let page = parse_openmetrics(&page());
    store.add_metrics("orders", MetricSource::Scrape, (1, 2), page.observations);
    store
}

fn page() -> String {
    let mut page = String::from("# TYPE http_requests counter\n");
    for number in 0..1_000 {
        let labels = format!("method=\"GET\",path=\"/orders/{number}\",status=\"200\"");
        let exemplar = "trace_id=\"0af7651916cd43dd8448eb211c80319c\",span_id=\"b7ad6b7169203331\"";
        let _ = writeln!(page, "http_requests_total{{{labels}}} {number} # {{{exemplar}}} 1 1.5");
    }
    page
}

fn console(c: &mut Criterion) {
    let mut group = c.benchmark_group("console");

    let store = full_store();
    let mut trace = 10_000;
    group.throughput(Throughput::Elements(8));
    group.bench_function("take in a trace of 8 spans, evicting one", |b| {
        b.iter(|| {
            trace += 1;
            store.add_spans((1..=8).map(|number| span(trace, number)))
        });
    });

    let store = full_store();
    group.throughput(Throughput::Elements(1));
    group.bench_function("join a request of 8 spans, as JSON", |b| {
        b.iter(|| {
            let document = store.request(black_box(TraceId::new(5_000)));
            serde_json::to_vec(&document).map(|json| json.len())
        });
    });
    group.bench_function("list the newest 100 of 10,000", |b| {
        b.iter(|| store.requests(black_box(&Filter::default())).len());
    });
    let failed = Filter { status: Some(StatusFilter::Error), ..Filter::default() };
    group.bench_function("search 10,000 in vain", |b| {
        b.iter(|| store.requests(black_box(&failed)).len());
    });

    let page = page();
    group.throughput(Throughput::Elements(1_000));
    group.bench_function("read 1,000 samples with exemplars", |b| {
        b.iter(|| parse_openmetrics(black_box(&page)).observations.len());
    });
    group.finish();
}

criterion_group!(benches, console);
criterion_main!(benches);
