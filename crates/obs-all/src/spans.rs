//! The spans of a thread with their ages, for error reports.

use std::sync::Arc;

use ::tracing::dispatcher::get_default;
use obs_errors::SpanSoFar;
use obs_tracing::Traces;
use tracing_subscriber::Registry;
use tracing_subscriber::registry::LookupSpan;

/// The thread's current span and those above it, the outermost first.
pub(crate) fn told_by(traces: &Arc<Traces>) -> impl Fn() -> Vec<SpanSoFar> + Send + Sync + 'static {
    let traces = Arc::downgrade(traces);
    move || {
        let Some(traces) = traces.upgrade() else { return Vec::new() };
        get_default(|dispatch| {
            let current = dispatch.current_span();
            let registry = dispatch.downcast_ref::<Registry>();
            let Some(span) = current.id().and_then(|id| registry?.span(id)) else {
                return Vec::new();
            };
            let told = span.scope().from_root().map(|span| match traces.live_span(&span.id()) {
                Some(live) => SpanSoFar { name: live.name, duration: Some(live.age) },
                None => SpanSoFar { name: span.name().to_owned(), duration: None },
            });
            told.collect()
        })
    }
}
