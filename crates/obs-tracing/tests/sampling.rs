//! Which traces are kept.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]

mod common;

use std::collections::HashMap;
use std::time::Instant;

use common::{Exported, flush};
use obs_context::active_span;
use obs_tracing::propagate::{self, RemoteContext};
use obs_tracing::{Sampler, Traces};
use tracing::{Dispatch, info_span};
use tracing_subscriber::prelude::*;

fn pipeline(sampler: Sampler) -> (Dispatch, Traces, Exported) {
    let exported = Exported::default();
    let (layer, traces) = exported.builder().sampler(sampler).build().unwrap();
    (Dispatch::new(tracing_subscriber::registry().with(layer)), traces, exported)
}

fn remote(trace: &str, flags: &str, state: &str) -> RemoteContext {
    propagate::extract(&HashMap::from([
        ("traceparent".to_owned(), format!("00-{trace}-b7ad6b7169203331-{flags}")),
        ("tracestate".to_owned(), state.to_owned()),
    ]))
}

/// Whether a child of this caller is kept, and the `tracestate` it hands on.
fn decide(sampler: Sampler, caller: &RemoteContext) -> (bool, String) {
    let (dispatch, _traces, _) = pipeline(sampler);
    tracing::dispatcher::with_default(&dispatch, || {
        caller.scope(|| info_span!("request")).in_scope(|| {
            let mut headers = HashMap::new();
            propagate::inject(&mut headers);
            let state = headers.remove("tracestate").unwrap_or_default();
            (active_span().unwrap().sampled, state)
        })
    })
}

const LOW: &str = "0af7651916cd43dd8400000000000001";
const HIGH: &str = "0af7651916cd43dd84ffffffffffffff";

#[test]
fn trace_follows_decision_of_root() {
    let (dispatch, traces, exported) = pipeline(Sampler::ratio(0.5));
    tracing::dispatcher::with_default(&dispatch, || {
        for _ in 0..2000 {
            info_span!("root").in_scope(|| {
                let root = active_span().unwrap();
                info_span!("child").in_scope(|| {
                    let child = active_span().unwrap();
                    assert_eq!((child.trace_id, child.sampled), (root.trace_id, root.sampled));
                });
            });
        }
    });
    flush(&traces);
    let counts = traces.counts();
    assert_eq!(counts.started, 4000);
    assert_eq!(counts.exported + counts.sampled_out, 4000);
    assert!((1700..2300).contains(&counts.exported), "{counts:?}");
    assert_eq!(exported.spans().len() as u64, counts.exported);
}

#[test]
fn ratio_uses_low_56_bits_and_is_propagated() {
    let kept = |share, trace| decide(Sampler::ratio(share), &remote(trace, "03", "")).0;
    assert!(kept(0.001, HIGH) && kept(0.5, HIGH) && kept(1.0, LOW));
    assert!(!kept(0.999, LOW) && !kept(0.0, HIGH) && !kept(f64::NAN, HIGH));
    let quarter = decide(Sampler::ratio(0.25), &remote(HIGH, "03", "")).1;
    assert_eq!(quarter, "ot=th:c");
    let state = "congo=t61,ot=p:8;th:8;rv:ffffffffffffff";
    let handed_on = decide(Sampler::ratio(0.25), &remote(LOW, "03", state));
    assert_eq!(handed_on, (true, "ot=th:c;p:8;rv:ffffffffffffff,congo=t61".to_owned()));
    let explicit = "ot=rv:00000000000000";
    assert!(!decide(Sampler::ratio(0.25), &remote(HIGH, "03", explicit)).0);
}

#[test]
fn parent_based_follows_caller() {
    let sampled = remote(LOW, "01", "congo=1");
    let unsampled = remote(HIGH, "00", "congo=1");
    let kept = |sampler: Sampler, caller: &RemoteContext| decide(sampler, caller);
    assert_eq!(kept(Sampler::parent_based(Sampler::never()), &sampled), (true, "congo=1".into()));
    assert!(!kept(Sampler::parent_based(Sampler::always()), &unsampled).0);
    assert!(!kept(Sampler::parent_based(Sampler::never()), &RemoteContext::default()).0);
    let distrustful = Sampler::parent_based_with(Sampler::always(), Sampler::never());
    assert!(!kept(distrustful.clone(), &sampled).0);
    assert!(kept(distrustful, &RemoteContext::default()).0);
}

/// What a budget of so many a second is given anew, at most.
fn refilled(per_second: u64, began: Instant) -> u64 {
    (per_second as f64 * began.elapsed().as_secs_f64()) as u64 + 1
}

#[test]
fn per_second_limits_new_traces() {
    let (dispatch, traces, _) = pipeline(Sampler::per_second(20.0));
    let began = Instant::now();
    tracing::dispatcher::with_default(&dispatch, || {
        (0..500).for_each(|_| info_span!("root").in_scope(|| {}));
    });
    flush(&traces);
    let (exported, most) = (traces.counts().exported, 20 + refilled(20, began));
    assert!((20..=most).contains(&exported), "{exported} of {most}");
}

#[test]
fn budget_is_per_route_and_name() {
    let (dispatch, traces, exported) = pipeline("budget(10)".parse().unwrap());
    let began = Instant::now();
    tracing::dispatcher::with_default(&dispatch, || {
        (0..300).for_each(|_| info_span!("busy").in_scope(|| {}));
        (0..3).for_each(|_| info_span!("rare").in_scope(|| {}));
    });
    flush(&traces);
    let of = |name| exported.spans().iter().filter(|span| span.name == name).count() as u64;
    let most = 10 + refilled(10, began);
    assert!((10..=most).contains(&of("busy")), "{} of {most}", of("busy"));
    assert_eq!(of("rare"), 3, "a busy name does not use up another's budget");
}

#[test]
fn by_name_rules_change_at_run_time() {
    let sampler = Sampler::by_name([("health", Sampler::never())], Sampler::always());
    let (dispatch, traces, exported) = pipeline(sampler);
    tracing::dispatcher::with_default(&dispatch, || {
        info_span!("health").in_scope(|| info_span!("below").in_scope(|| {}));
        info_span!("work").in_scope(|| {});
        traces.set_sampler(Sampler::never());
        assert_eq!(traces.sampler().to_string(), "never");
        info_span!("work").in_scope(|| {});
    });
    flush(&traces);
    assert_eq!(exported.spans().len(), 1);
    assert_eq!(traces.counts().sampled_out, 3);
}
