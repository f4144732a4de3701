//! The filter for the layer: alone in its process, because callsites ask every subscriber there is.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]

mod common;

use std::cell::Cell;

use common::{flush, pipeline};
use obs_tracing::{Sampler, TraceFilter};
use tracing::{debug, info_span, trace_span};
use tracing_subscriber::prelude::*;

struct Counted<'a>(&'a Cell<u32>);

impl std::fmt::Display for Counted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.set(self.0.get() + 1);
        f.write_str("text")
    }
}

#[test]
fn unneeded_callsites_are_disabled() {
    let (layer, traces, exported) = pipeline();
    let layer = layer.with_filter(TraceFilter::default());
    let formatted = Cell::new(0);
    let work = || {
        info_span!("request").in_scope(|| {
            let below = trace_span!("below", value = Counted(&formatted).to_string());
            assert!(below.is_disabled());
            info_span!(target: "hyper::client", "transport").in_scope(|| {});
            debug!(unwanted = Counted(&formatted).to_string());
            debug!(target: "sqlx::query", summary = "SELECT 1", elapsed_secs = 0.0);
            tracing::error!("wanted");
        });
    };
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        work();
        traces.set_sampler(Sampler::never());
        work();
    });
    flush(&traces);
    assert_eq!(formatted.get(), 0);
    assert_eq!(exported.spans().len(), 2);
    assert_eq!(exported.span("request").events.len(), 1);
    assert_eq!(exported.span("SELECT").parent_span_id, exported.span("request").span_id);
    assert_eq!(traces.counts().started, 3);
}
