//! What reading and writing the active-span slot costs.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use obs_context::{ActiveSpan, RequestId, SpanId, TraceId, active_span, set_active_span};

fn slot(c: &mut Criterion) {
    let span = ActiveSpan {
        trace_id: TraceId::random(),
        span_id: SpanId::random(),
        sampled: true,
        name: "bench",
        route: None,
    };
    c.bench_function("set", |b| b.iter(|| set_active_span(black_box(Some(span)))));
    c.bench_function("read", |b| b.iter(|| black_box(active_span())));
    c.bench_function("trace id", |b| b.iter(|| black_box(TraceId::random())));
    c.bench_function("request id", |b| b.iter(|| black_box(RequestId::mint())));
}

criterion_group!(benches, slot);
criterion_main!(benches);
