//! Three services that decide differently: no span's parent is missing, and shares agree.

#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]

mod common;

use std::collections::{HashMap, HashSet};

use common::{Exported, flush};
use obs_tracing::propagate::{self, Baggage};
use obs_tracing::{Sampler, Traces};
use tracing::{Dispatch, info_span};
use tracing_subscriber::prelude::*;

/// A service: its subscriber, its pipeline, what it exported.
type Service = (Dispatch, Traces, Exported);

fn service(sampler: Sampler) -> Service {
    let exported = Exported::default();
    let (layer, traces) = exported.builder().sampler(sampler).build().unwrap();
    (Dispatch::new(tracing_subscriber::registry().with(layer)), traces, exported)
}

/// One request through all services, one calling the next, with headers in between.
fn request(services: &[Service], headers: &HashMap<String, String>) {
    let Some(((dispatch, ..), rest)) = services.split_first() else { return };
    tracing::dispatcher::with_default(dispatch, || {
        propagate::extract(headers).scope(|| info_span!("serve")).in_scope(|| {
            info_span!("work").in_scope(|| {});
            info_span!("call").in_scope(|| {
                let mut headers = HashMap::new();
                propagate::inject(&mut headers);
                request(rest, &headers);
            });
        });
    });
}

/// Trace ids of each service's spans, after a check that no parent is missing.
fn traces_of(services: &[Service]) -> Vec<HashSet<Vec<u8>>> {
    services.iter().for_each(|(_, traces, _)| flush(traces));
    let spans: Vec<Vec<_>> = services.iter().map(|(_, _, exported)| exported.spans()).collect();
    let known: HashSet<_> = spans.iter().flatten().map(|span| span.span_id.clone()).collect();
    for span in spans.iter().flatten().filter(|span| !span.parent_span_id.is_empty()) {
        assert!(known.contains(&span.parent_span_id), "an orphan: {span:?}");
    }
    spans.iter().map(|spans| spans.iter().map(|span| span.trace_id.clone()).collect()).collect()
}

#[test]
fn parent_based_services_leave_no_orphans() {
    let follows = || Sampler::parent_based(Sampler::always());
    let services = [service(Sampler::ratio(0.3)), service(follows()), service(follows())];
    (0..1000).for_each(|_| request(&services, &HashMap::new()));
    let traces = traces_of(&services);
    assert!((200..400).contains(&traces[0].len()), "{}", traces[0].len());
    assert_eq!(traces[0], traces[1]);
    assert_eq!(traces[1], traces[2]);
}

#[test]
fn mixed_decisions_leave_no_orphans() {
    let mixed = [
        Sampler::parent_based(Sampler::ratio(0.5)),
        Sampler::parent_based_with(Sampler::always(), Sampler::per_second(100.0)),
        Sampler::parent_based(Sampler::never()),
    ];
    let services = mixed.map(service);
    (0..1000).for_each(|_| request(&services, &HashMap::new()));
    let traces = traces_of(&services);
    assert!(traces[2].is_subset(&traces[1]) && traces[1].is_subset(&traces[0]));
    assert!(traces[1].len() < traces[0].len(), "the second keeps within its budget");
}

#[test]
fn smaller_ratio_keeps_subset_of_larger() {
    let services = [0.8, 0.4, 0.1].map(|share| service(Sampler::ratio(share)));
    (0..4000).for_each(|_| request(&services, &HashMap::new()));
    let traces = traces_of(&services);
    assert!(traces[2].is_subset(&traces[1]) && traces[1].is_subset(&traces[0]));
    // Five standard deviations of a binomial distribution.
    for (traces, share) in traces.iter().zip([0.8_f64, 0.4, 0.1]) {
        let (mean, bound) = (4000.0 * share, 5.0 * (4000.0 * share * (1.0 - share)).sqrt());
        let kept = traces.len() as f64;
        assert!((kept - mean).abs() < bound, "{kept} of {mean}");
    }
}

#[test]
fn baggage_crosses_services() {
    let (dispatch, ..) = service(Sampler::never());
    tracing::dispatcher::with_default(&dispatch, || {
        info_span!("outer").in_scope(|| {
            assert!(propagate::baggage().is_empty());
            let baggage = Baggage::new().with("tenant", "acme");
            let inner = baggage.scope(|| info_span!("inner"));
            inner.in_scope(|| {
                let more = propagate::baggage().with("tier", "gold");
                more.scope(|| info_span!("innermost")).in_scope(|| {
                    info_span!("below").in_scope(|| {
                        let mut headers = HashMap::new();
                        propagate::inject(&mut headers);
                        assert_eq!(headers["baggage"], "tenant=acme,tier=gold");
                    });
                });
                assert_eq!(propagate::baggage().to_string(), "tenant=acme");
            });
            assert!(propagate::baggage().is_empty());
        });
    });
}
