//! The current span as OpenTelemetry's own API sees it: for libraries that use that directly.

use std::cell::RefCell;
use std::str::FromStr;

use opentelemetry::trace::{
    SpanContext as OtelSpanContext, TraceContextExt, TraceFlags, TraceState,
};
use opentelemetry::{Context, ContextGuard};

use crate::record::SpanContext;
use crate::thread_state;

thread_local! {
    /// Of the spans that are entered on this thread: layer, id, and what ends it.
    static ACTIVE: RefCell<Vec<(usize, u64, ContextGuard)>> = const { RefCell::new(Vec::new()) };
}

/// The span was entered: it is the parent of what the API creates.
pub(crate) fn enter(layer: usize, id: u64) {
    let current =
        thread_state::with(|thread| Some(thread.lookup(layer, id)?.span_context.clone())).flatten();
    let Some(span_context) = current.filter(SpanContext::is_valid) else { return };
    let guard = Context::current().with_remote_span_context(context(&span_context)).attach();
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

pub(crate) fn context(span_context: &SpanContext) -> OtelSpanContext {
    let state = span_context.propagated.as_ref().map_or("", |propagated| &propagated.state);
    OtelSpanContext::new(
        span_context.trace_id.get().into(),
        span_context.span_id.get().into(),
        TraceFlags::new(u8::from(span_context.sampled) | u8::from(span_context.random) << 1),
        false,
        TraceState::from_str(state).unwrap_or_default(),
    )
}
