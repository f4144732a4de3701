//! The labels of a sample: the span and the route that were active.

use obs_context::{ActiveSpan, Route, SpanId, TraceId};

/// The span that was active on a thread when it was sampled; all `None` outside every span, and in
/// profiles of other processes.
///
/// Of a span whose trace is not kept, only its name and its route are kept: there is nothing to look up by
/// the ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Labels {
    /// The trace that the span belongs to.
    pub trace_id: Option<TraceId>,
    /// The span.
    pub span_id: Option<SpanId>,
    /// The span's name.
    pub span: Option<&'static str>,
    /// The route template of the request.
    pub route: Option<Route>,
}

/// Which samples to keep: those that match everything that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SampleFilter {
    /// Of this trace.
    pub trace_id: Option<TraceId>,
    /// Of spans of this name.
    pub span: Option<String>,
    /// Of requests of this route template.
    pub route: Option<String>,
}

impl Labels {
    pub(crate) fn of(span: ActiveSpan) -> Self {
        Self {
            trace_id: span.sampled.then_some(span.trace_id),
            span_id: span.sampled.then_some(span.span_id),
            span: Some(span.name),
            route: span.route,
        }
    }

    /// Without the ids, of which there may be any number.
    pub(crate) fn without_ids(self) -> Self {
        Self { trace_id: None, span_id: None, ..self }
    }
}

impl SampleFilter {
    /// Whether a sample with these labels is kept.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.trace_id.is_none_or(|wanted| labels.trace_id == Some(wanted))
            && self.span.as_deref().is_none_or(|wanted| labels.span == Some(wanted))
            && self
                .route
                .as_deref()
                .is_none_or(|wanted| labels.route.is_some_and(|route| route.as_str() == wanted))
    }
}
