//! The span of an exchange, for the exemplars of its end.

use std::sync::OnceLock;

use obs_context::{ActiveSpan, active_span, set_active_span};

/// What was active when the exchange was polled first. To enter its span again, so that its end is observed inside of
/// it, costs more than all that the metrics do.
#[derive(Debug, Default)]
pub(super) struct PolledSpan(OnceLock<Option<ActiveSpan>>);

impl PolledSpan {
    #[inline]
    pub(super) fn poll(&self) {
        self.0.get_or_init(active_span);
    }

    /// Whether the exchange was polled.
    pub(super) fn is_known(&self) -> bool {
        self.0.get().is_some()
    }

    /// Observes inside of the span.
    #[inline]
    pub(super) fn scope(&self, observe: impl FnOnce()) {
        let Some(&span) = self.0.get() else { return observe() };
        let former = active_span();
        set_active_span(span);
        observe();
        set_active_span(former);
    }
}
