//! Hooks by which one pillar uses another without naming it.

use std::fmt;
use std::sync::Arc;

use crate::ActiveSpan;

/// Finds the trace of a span of the same subscriber.
///
/// An event with an explicit parent (`info!(parent: &span, ...)`) belongs to that span, not to the
/// active one. The tracing layer answers for this type in `Layer::downcast_raw`; the logging layer
/// finds it with `Dispatch::downcast_ref` and asks it for such events only.
pub struct SpanResolver(Box<dyn Fn(u64) -> Option<ActiveSpan> + Send + Sync>);

impl SpanResolver {
    /// A resolver that looks a `tracing::span::Id`, as its number, up with `resolve`.
    pub fn new(resolve: impl Fn(u64) -> Option<ActiveSpan> + Send + Sync + 'static) -> Self {
        Self(Box::new(resolve))
    }

    /// The span of this id, or `None` when the tracing layer does not know it.
    pub fn resolve(&self, id: u64) -> Option<ActiveSpan> {
        (self.0)(id)
    }
}

impl fmt::Debug for SpanFollower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpanFollower")
    }
}

impl fmt::Debug for SpanResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpanResolver")
    }
}

/// Receives the spans that a filter hides from its layer.
pub trait FollowSpans: Send + Sync {
    /// The thread entered the span of this id.
    fn entered(&self, id: u64);
    /// The thread exited it.
    fn exited(&self, id: u64);
}

/// Keeps the active span right where a filter hides spans from the tracing layer: inside a hidden span, the slot
/// has its nearest traced ancestor. Found as [`SpanResolver`] is; the logging layer calls it for each
/// span that it enters and exits.
#[derive(Clone)]
pub struct SpanFollower(pub Arc<dyn FollowSpans>);

/// What a [`Sample`]'s value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleKind {
    /// Grows from zero; its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// One sample of a pillar's own metrics.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// The metric's full name by Prometheus' conventions, such as `obs_log_lines_dropped_total`.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// Counter or gauge.
    pub kind: SampleKind,
    /// Names and values of the labels, the same names for every sample of one name.
    pub labels: &'a [(&'static str, &'a str)],
    /// The number, in base units.
    pub value: f64,
}

/// A pillar's own metrics: lines dropped, spans exported, checks failed.
///
/// The pillar implements it and the facade mounts it in the metrics registry, which calls it at every
/// scrape: it must read counters, never wait or do work.
pub trait Source: Send + Sync {
    /// Hands every sample to `sink`, those of one name after another.
    fn collect(&self, sink: &mut dyn FnMut(Sample<'_>));
}
