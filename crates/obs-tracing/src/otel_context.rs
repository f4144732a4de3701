//! The current span as OpenTelemetry's own API sees it: for libraries that use that directly.

use std::cell::RefCell;
use std::str::FromStr;

use opentelemetry::trace::{SpanContext, TraceContextExt, TraceFlags, TraceState};
use opentelemetry::{Context, ContextGuard};

use crate::local;
use crate::record::Identity;

thread_local! {
    /// Of the spans that are entered on this thread: layer, id, and what ends it.
    static ACTIVE: RefCell<Vec<(usize, u64, ContextGuard)>> = const { RefCell::new(Vec::new()) };
}

/// The span was entered: it is the parent of what the API creates.
pub(crate) fn enter(layer: usize, id: u64) {
    let current = local::with(|local| Some(local.known(layer, id)?.identity.clone())).flatten();
    let Some(identity) = current.filter(Identity::exists) else { return };
    let guard = Context::current().with_remote_span_context(context(&identity)).attach();
    let _ = ACTIVE.try_with(|active| active.borrow_mut().push((layer, id, guard)));
}

pub(crate) fn exit(layer: usize, id: u64) {
    let exited = ACTIVE.try_with(|active| {
        let mut active = active.borrow_mut();
        let at = active.iter().rposition(|(of, known, _)| (*of, *known) == (layer, id))?;
        Some(active.remove(at))
    });
    drop(exited);
}

pub(crate) fn context(identity: &Identity) -> SpanContext {
    let state = identity.carried.as_ref().map_or("", |carried| &carried.state);
    SpanContext::new(
        identity.trace_id.get().into(),
        identity.span_id.get().into(),
        TraceFlags::new(u8::from(identity.sampled) | u8::from(identity.random) << 1),
        false,
        TraceState::from_str(state).unwrap_or_default(),
    )
}
