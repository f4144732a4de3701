//! Tail mode: traces that were not sampled, and are kept for what they turned out to be.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]

mod common;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use common::{Exported, attribute, flush};
use obs_tracing::{EndedSpan, Sampler, Status, Tail, TraceLayer, Traces, propagate};
use tracing::{Dispatch, error, info_span};
use tracing_subscriber::prelude::*;

fn pipeline(tail: Tail) -> (TraceLayer, Traces, Exported) {
    let exported = Exported::default();
    let builder = exported.builder().sampler(Sampler::never()).tail(tail);
    let (layer, traces) = builder.build().unwrap();
    (layer, traces, exported)
}

fn within(layer: TraceLayer, work: impl FnOnce()) {
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
}

#[test]
fn tail_keeps_traces_with_errors_whole() {
    let (layer, traces, exported) = pipeline(Tail::errors());
    within(layer, || {
        for number in 0..100 {
            info_span!("request").in_scope(|| {
                assert!(!obs_context::active_span().unwrap().sampled);
                info_span!("query", number).in_scope(|| {
                    if number == 42 {
                        error!("no such table");
                    }
                });
                info_span!("render").in_scope(|| {});
            });
        }
    });
    flush(&traces);
    let spans = exported.spans();
    assert_eq!(spans.len(), 3, "{spans:?}");
    let (root, query) = (exported.span("request"), exported.span("query"));
    assert_eq!(attribute(&query, "number").as_deref(), Some("42"));
    assert_eq!(attribute(&root, "sampling.reason").as_deref(), Some("error"));
    assert!(spans.iter().all(|span| span.trace_id == root.trace_id));
    assert_eq!(query.parent_span_id, root.span_id);
    let counts = traces.counts();
    assert_eq!((counts.started, counts.exported, counts.sampled_out), (300, 3, 297));
    assert_eq!((counts.tail_evicted, counts.in_flight()), (0, 0));
}

#[test]
fn tail_keeps_slow_traces_and_rule_matches() {
    let slow = Duration::from_secs(1); // nothing else takes as long, not even where others keep the machine busy
    let rule = |span: &EndedSpan<'_>| span.name() == "odd" && span.status() == Status::Ok;
    let tail = Tail::nothing().slower_than(slow).attribute("tier", "gold").attribute("n", "7");
    let (layer, traces, exported) = pipeline(tail.when(rule));
    within(layer, || {
        info_span!("slow").in_scope(|| std::thread::sleep(slow));
        info_span!("gold").in_scope(|| info_span!("inner", tier = "gold").in_scope(|| {}));
        info_span!("seven", n = 7).in_scope(|| {});
        info_span!("odd", otel.status_code = "OK").in_scope(|| {});
        info_span!("odd").in_scope(|| {});
        info_span!("fails").in_scope(|| error!("nobody asked about errors"));
    });
    flush(&traces);
    let mut kept: Vec<_> = exported
        .spans()
        .iter()
        .map(|span| (span.name.clone(), attribute(span, "sampling.reason").unwrap_or_default()))
        .collect();
    kept.sort();
    let expected =
        [("gold", "rule"), ("inner", ""), ("odd", "rule"), ("seven", "rule"), ("slow", "slow")];
    assert_eq!(kept, expected.map(|(name, reason)| (name.to_owned(), reason.to_owned())));
    assert_eq!(traces.counts().sampled_out, 2);
}

#[test]
fn tail_keeps_spans_ended_on_another_thread() {
    let (layer, traces, exported) = pipeline(Tail::errors());
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    tracing::dispatcher::with_default(&dispatch, || {
        for fails in [true, false] {
            let root = info_span!("request");
            let child = root.in_scope(|| {
                if fails {
                    error!("broken");
                }
                info_span!("background")
            });
            info_span!(parent: None, "other").in_scope(|| {});
            drop(root); // the Registry keeps it as long as its child
            let dispatch = dispatch.clone();
            let thread = std::thread::spawn(move || {
                tracing::dispatcher::with_default(&dispatch, || drop(child));
            });
            thread.join().unwrap();
        }
    });
    flush(&traces);
    let names: Vec<_> = exported.spans().into_iter().map(|span| span.name).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(names.iter().collect::<HashSet<_>>().len(), 2);
    let counts = traces.counts();
    assert_eq!((counts.started, counts.exported, counts.sampled_out), (6, 2, 4));
}

#[test]
fn tail_memory_is_bounded_and_drops_are_counted() {
    let (layer, traces, exported) = pipeline(Tail::errors().memory(64 * 1024));
    within(layer, || {
        let large = "x".repeat(4000);
        info_span!("large").in_scope(|| {
            (0..100).for_each(|_| info_span!("part", text = large).in_scope(|| {}));
            error!("too late: the trace is not recorded any further");
        });
        info_span!("small").in_scope(|| error!("there is room again"));
    });
    flush(&traces);
    let counts = traces.counts();
    assert!((10..20).contains(&counts.tail_evicted), "{counts:?}");
    assert_eq!(counts.sampled_out, 101);
    assert_eq!(exported.spans().len(), 1);
    assert_eq!(exported.span("small").events.len(), 1);
}

#[test]
fn tail_switched_at_run_time_keeps_headers() {
    let exported = Exported::default();
    let (layer, traces) = exported.builder().sampler(Sampler::never()).build().unwrap();
    within(layer, || {
        let fail = || info_span!("request").in_scope(|| error!("broken"));
        fail();
        traces.set_tail(Some(Tail::errors()));
        fail();
        info_span!("outgoing").in_scope(|| {
            let mut headers = HashMap::new();
            propagate::inject(&mut headers);
            assert!(headers["traceparent"].ends_with("-02"), "random, and not sampled");
        });
        assert_eq!(traces.tail().unwrap().to_string(), "tail(errors; 33554432 bytes)");
        traces.set_tail(None);
        fail();
    });
    flush(&traces);
    assert_eq!(exported.spans().len(), 1);
    assert_eq!(traces.counts().sampled_out, 3);
}

#[test]
fn sampled_traces_are_exported_at_once() {
    let exported = Exported::default();
    let (layer, traces) = exported.builder().tail(Tail::errors()).build().unwrap();
    within(layer, || {
        let _open = info_span!("request").entered();
        info_span!("inner").in_scope(|| {});
        flush(&traces);
        assert_eq!(exported.spans().len(), 1);
    });
}

#[test]
fn panicking_rule_keeps_trace_and_is_counted() {
    std::panic::set_hook(Box::new(|_| {})); // its message is expected
    let rule = |span: &EndedSpan<'_>| match span.name() {
        "bad" => panic!("a rule of the application's"),
        _ => false,
    };
    let (layer, traces, exported) = pipeline(Tail::nothing().when(rule));
    within(layer, || {
        info_span!("request").in_scope(|| info_span!("bad").in_scope(|| {}));
        info_span!("other").in_scope(|| {});
    });
    flush(&traces);
    assert_eq!(exported.spans().len(), 2);
    let root = exported.span("request");
    assert_eq!(attribute(&root, "sampling.reason").as_deref(), Some("rule panicked"));
    let counts = traces.counts();
    assert_eq!((counts.rule_panics, counts.exported, counts.sampled_out), (1, 2, 1));
}
