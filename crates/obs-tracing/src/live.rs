//! The open spans.

use std::time::Duration;

use fastant::Instant;
use obs_context::{Route, SpanId, TraceId};

use crate::record::Record;

/// A span that is open: returned by [`Traces::live`](crate::Traces::live).
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
    /// How long it has been open.
    pub age: Duration,
}

impl LiveSpan {
    pub(crate) fn of(record: &Record, now: Instant) -> Self {
        let span_context = &record.span_context;
        Self {
            trace_id: span_context.trace_id,
            span_id: span_context.span_id,
            parent_id: span_context.parent_id,
            name: record.name().to_owned(),
            route: span_context.route,
            age: now.saturating_duration_since(record.start),
        }
    }
}
