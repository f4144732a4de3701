//! The parts of a span that never change.

use obs_context::{ActiveSpan, SpanId, TraceId};

use super::data::SpanContext;

impl SpanContext {
    pub(crate) const NONE: Self = Self {
        trace_id: TraceId::INVALID,
        span_id: SpanId::INVALID,
        parent_id: SpanId::INVALID,
        name: "",
        route: None,
        sampled: false,
        random: true,
        recording: false,
        local_root: false,
        remote_parent: false,
        propagated: None,
        undecided: None,
    };

    /// Writes a child of this span, word by word: it is read again soon, in other pieces.
    #[inline]
    pub(crate) fn write_child(&self, span_id: SpanId, name: &'static str, child: &mut Self) {
        self.write_alias(name, child);
        child.span_id = span_id;
        child.parent_id = self.span_id;
        child.local_root = false;
        child.remote_parent = false;
    }

    /// Writes this span under another name: what an unsampled child is.
    #[inline]
    pub(crate) fn write_alias(&self, name: &'static str, alias: &mut Self) {
        alias.trace_id = self.trace_id;
        alias.span_id = self.span_id;
        alias.parent_id = self.parent_id;
        alias.name = name;
        alias.route = self.route;
        alias.sampled = self.sampled;
        alias.random = self.random;
        alias.recording = self.recording;
        alias.local_root = self.local_root;
        alias.remote_parent = self.remote_parent;
        if self.propagated.is_some() || alias.propagated.is_some() {
            alias.propagated.clone_from(&self.propagated);
        }
        if self.undecided.is_some() || alias.undecided.is_some() {
            alias.undecided.clone_from(&self.undecided);
        }
    }

    /// Whether it is a span: not what stands for the lack of one.
    #[inline]
    pub(crate) fn is_valid(&self) -> bool {
        self.trace_id.is_valid()
    }

    /// Whether its children need no records, and no ids of their own.
    #[inline]
    pub(crate) fn is_unsampled(&self) -> bool {
        !self.sampled && !self.recording
    }

    /// Lets go of what others may wait for.
    #[inline]
    pub(crate) fn release(&mut self) {
        if self.propagated.is_some() {
            self.propagated = None;
        }
        if self.undecided.is_some() {
            self.undecided = None;
        }
    }

    /// The active-span slot's values for this span.
    #[inline]
    pub(crate) fn active(&self) -> ActiveSpan {
        ActiveSpan {
            trace_id: self.trace_id,
            span_id: self.span_id,
            sampled: self.sampled,
            name: self.name,
            route: self.route,
        }
    }
}
