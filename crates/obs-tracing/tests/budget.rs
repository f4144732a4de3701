//! A ceiling on the spans that are exported.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]

mod common;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use common::{Exported, attribute, flush};
use obs_tracing::{SpanBudget, Tail, TraceLayer, Traces};
use tracing::{error, info_span};
use tracing_subscriber::prelude::*;

const SPANS_PER_SECOND: u64 = 300;

fn pipeline(budget: SpanBudget) -> (TraceLayer, Traces, Exported) {
    let exported = Exported::default();
    let builder = exported.builder().delay(Duration::from_millis(50));
    let (layer, traces) = builder.span_budget(budget).build().unwrap();
    (layer, traces, exported)
}

/// Traces of three spans, one in fifty with an error, until the time is over: how many there were.
fn traffic(layer: TraceLayer, time: Duration) -> u64 {
    let begun = Instant::now();
    let mut traces = 0;
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        while begun.elapsed() < time {
            info_span!("request").in_scope(|| {
                info_span!("query").in_scope(|| {
                    if traces % 50 == 0 {
                        error!("no such table");
                    }
                });
                info_span!("render").in_scope(|| {});
            });
            traces += 1;
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    traces
}

#[test]
fn load_past_budget_sheds_whole_traces_and_keeps_errors() {
    let (layer, traces, exported) = pipeline(SpanBudget::spans_per_second(SPANS_PER_SECOND));
    let begun = Instant::now();
    let made = traffic(layer, Duration::from_secs(3));
    let seconds = begun.elapsed().as_secs_f64();
    flush(&traces);
    let mut whole: HashMap<Vec<u8>, (usize, bool)> = HashMap::new();
    for span in exported.spans() {
        let trace = whole.entry(span.trace_id.clone()).or_default();
        trace.0 += 1;
        trace.1 |= span.status.as_ref().is_some_and(|status| status.code == 2);
    }
    assert!(whole.values().all(|(spans, _)| *spans == 3), "no trace lacks a span");
    let errors = whole.values().filter(|(_, failed)| *failed).count() as u64;
    assert_eq!(errors, made.div_ceil(50), "every error is kept");
    let budget = traces.budget().unwrap();
    assert!(budget.shed_traces > 0 && budget.keep <= 1.0, "{budget:?}");
    let others = 3 * (whole.len() as u64 - errors);
    // What had gathered, and what ended before the first spans were counted.
    let allowed = SPANS_PER_SECOND as f64 * (seconds + 1.0) + 200.0;
    assert!((others as f64) < allowed, "{others} spans of {allowed} in {seconds} s");
    let counts = traces.counts();
    assert_eq!(counts.started, 3 * made);
    assert_eq!(counts.started, counts.exported + counts.sampled_out);
    let reasons =
        exported.spans().iter().filter_map(|span| attribute(span, "sampling.reason")).count();
    assert!(reasons as u64 <= errors);
}

#[test]
fn load_within_budget_keeps_every_trace() {
    let (layer, traces, exported) = pipeline(SpanBudget::bytes_per_second(100_000_000));
    let made = traffic(layer, Duration::from_millis(200));
    flush(&traces);
    assert_eq!(exported.spans().len() as u64, 3 * made);
    assert_eq!(traces.budget().map(|budget| (budget.keep, budget.shed_traces)), Some((1.0, 0)));
}

#[test]
fn tail_rules_of_pipeline_decide_upon_shed_traces() {
    let exported = Exported::default();
    let builder = exported.builder().span_budget(SpanBudget::spans_per_second(1));
    let (layer, traces) = builder.tail(Tail::nothing().attribute("tier", "gold")).build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        (0..20).for_each(|_| info_span!("plain").in_scope(|| error!("nobody asked for errors")));
        (0..20).for_each(|_| info_span!("gold", tier = "gold").in_scope(|| {}));
    });
    flush(&traces);
    let named = |name| exported.spans().iter().filter(|span| span.name == name).count();
    assert_eq!(named("gold"), 20);
    assert!(named("plain") < 10, "{} plain ones", named("plain"));
}

#[test]
fn shed_trace_has_unsampled_context() {
    let (layer, _traces, _exported) = pipeline(SpanBudget::spans_per_second(1));
    let mut sampled = Vec::new();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        for _ in 0..20 {
            info_span!("request").in_scope(|| {
                sampled.push(obs_context::active_span().unwrap().sampled);
            });
        }
    });
    assert!(sampled[0] && !sampled[19], "{sampled:?}");
}
