//! The context of an incoming request.

use std::sync::Arc;

use obs_context::{Route, SpanId, TraceId};

use super::baggage::Baggage;
use super::propagated::PropagatedState;
use super::traceparent::TraceParent;

/// What a request or a message brought along: the span that caused it, and baggage.
///
/// [`extract`](super::extract) makes it; [`RemoteContext::scope`] makes spans its children. It is
/// valid when it names a span, and may hold baggage either way.
#[derive(Clone, Debug, Default)]
pub struct RemoteContext {
    pub(super) parent: Option<TraceParent>,
    pub(super) propagated: Option<Arc<PropagatedState>>,
}

/// Where spans without a parent in this process come from, on this thread at this moment.
#[derive(Debug, Default)]
pub(crate) struct Origin {
    pub(crate) remote: RemoteContext,
    pub(crate) route: Option<Route>,
}

impl RemoteContext {
    /// Whether it names a span.
    pub const fn is_valid(&self) -> bool {
        self.parent.is_some()
    }

    /// The trace; [`TraceId::INVALID`] when it names no span.
    pub fn trace_id(&self) -> TraceId {
        self.parent.map_or(TraceId::INVALID, |parent| parent.trace_id)
    }

    /// The span that caused the request; [`SpanId::INVALID`] when it names none.
    pub fn span_id(&self) -> SpanId {
        self.parent.map_or(SpanId::INVALID, |parent| parent.span_id)
    }

    /// Whether the caller keeps the trace.
    pub fn is_sampled(&self) -> bool {
        self.parent.is_some_and(|parent| parent.sampled)
    }

    /// Whether the caller marks the trace id as random (W3C Trace Context, level 2).
    pub fn is_random(&self) -> bool {
        self.parent.is_some_and(|parent| parent.random)
    }

    /// The `tracestate`, empty for none.
    pub fn trace_state(&self) -> &str {
        self.propagated.as_ref().map_or("", |propagated| &propagated.state)
    }

    /// The baggage.
    pub fn baggage(&self) -> Baggage {
        self.propagated.as_ref().map(|propagated| propagated.baggage.clone()).unwrap_or_default()
    }

    pub(crate) fn propagated(&self) -> Option<&Arc<PropagatedState>> {
        self.propagated.as_ref()
    }

    pub(super) fn new(parent: Option<TraceParent>, state: String, baggage: Baggage) -> Self {
        let empty = state.is_empty() && baggage.is_empty();
        let propagated = (!empty).then(|| Arc::new(PropagatedState { state, baggage }));
        Self { parent, propagated }
    }
}
