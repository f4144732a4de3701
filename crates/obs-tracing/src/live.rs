//! What is in flight now.

use std::time::Duration;

use fastant::Instant;
use obs_context::{Route, SpanId, TraceId};

use crate::record::Record;

/// A span that is open: told by [`Traces::live`](crate::Traces::live).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveSpan {
    /// The trace that it belongs to.
    pub trace_id: TraceId,
    /// Itself.
    pub span_id: SpanId,
    /// Its parent; invalid for a root.
    pub parent_id: SpanId,
    /// Its name so far.
    pub name: String,
    /// The route of its request, where it is known.
    pub route: Option<Route>,
    /// How long it has been identity.
    pub age: Duration,
}

impl LiveSpan {
    pub(crate) fn of(record: &Record, now: Instant) -> Self {
        let identity = &record.identity;
        Self {
            trace_id: identity.trace_id,
            span_id: identity.span_id,
            parent_id: identity.parent_id,
            name: record.name().to_owned(),
            route: identity.route,
            age: now.saturating_duration_since(record.start),
        }
    }
}
