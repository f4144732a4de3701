//! Rules of tail mode whose captures do things when they are dropped. Whoever changes rules drops what no
//! thread uses any more, so these tests take turns.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]

mod common;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use common::{Exported, flush};
use obs_tracing::{Sampler, Tail, TraceLayer, Traces};
use tracing::{error, info_span};
use tracing_subscriber::prelude::*;

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pipeline(tail: Tail) -> (TraceLayer, Traces, Exported) {
    let exported = Exported::default();
    let (layer, traces) = exported.builder().sampler(Sampler::never()).tail(tail).build().unwrap();
    (layer, traces, exported)
}

fn within(layer: TraceLayer, work: impl FnOnce()) {
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
}

/// Opens a span when it is dropped, and keeps what that finds.
struct OpensSpan(Arc<Mutex<Vec<Option<&'static str>>>>);

impl Drop for OpensSpan {
    fn drop(&mut self) {
        let name = info_span!("drop").in_scope(|| obs_context::active_span().map(|span| span.name));
        self.0.lock().unwrap().push(name);
    }
}

#[test]
fn rule_opening_spans_on_drop_leaves_no_span_unentered() {
    let _alone = alone();
    let seen = Arc::default();
    let rule = |capture: OpensSpan| Tail::nothing().when(move |_| capture.0.lock().is_err());
    let (layer, traces, _) = pipeline(rule(OpensSpan(Arc::clone(&seen))));
    within(layer, || {
        info_span!("pending").in_scope(|| {
            // The thread itself learns of it when it makes its next trace.
            traces.set_tail(None);
            assert_eq!(*seen.lock().unwrap(), [], "a trace still waits for it");
        });
        let root = info_span!(parent: None, "root");
        root.in_scope(|| {
            assert_eq!(obs_context::active_span().map(|span| span.name), Some("root"));
        });
        traces.set_tail(Some(rule(OpensSpan(Arc::clone(&seen)))));
        // Here or on the export thread, which is in no span of this subscriber's.
        while seen.lock().unwrap().is_empty() {
            std::thread::yield_now();
        }
        assert!(matches!(seen.lock().unwrap()[..], [Some("drop") | None]));
    });
}

#[test]
fn rule_panicking_on_drop_stops_nothing() {
    let _alone = alone();
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("as captures may");
        }
    }
    let panics = Panics;
    let (layer, traces, exported) = pipeline(Tail::errors().when(move |_| {
        let _panics = &panics;
        false
    }));
    within(layer, || {
        traces.set_tail(Some(Tail::errors()));
        info_span!("request").in_scope(|| error!("an error"));
        traces.set_tail(Some(Tail::errors()));
    });
    flush(&traces);
    assert_eq!(exported.spans().len(), 1);
    let counted =
        obs_guard::panics().any(|(place, panics)| place == "tracing.tail_rule_drop" && panics > 0);
    assert!(counted);
}
