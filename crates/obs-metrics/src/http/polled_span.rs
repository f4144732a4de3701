//! The span of an exchange, for the exemplars of its end.

use std::sync::OnceLock;

use obs_context::{ActiveSpan, active_span, set_active_span};

/// What was active when the exchange was polled first. To enter its span again, so that its end is observed inside of
/// it, costs more than all that the metrics do. A warning that a family is full has the ids of its trace, no more.
#[derive(Debug, Default)]
pub(super) struct PolledSpan(OnceLock<Option<ActiveSpan>>);

impl PolledSpan {
    #[inline]
    pub(super) fn record(&self) {
        self.0.get_or_init(active_span);
    }

    /// Whether the exchange was polled.
    pub(super) fn is_recorded(&self) -> bool {
        self.0.get().is_some()
    }

    /// Observes inside of the span.
    #[inline]
    pub(super) fn scope(&self, observe: impl FnOnce()) {
        let Some(&span) = self.0.get() else { return observe() };
        let _former = Restore(active_span());
        set_active_span(span);
        observe();
    }
}

/// Also when a layer of the application's panics about a warning.
struct Restore(Option<ActiveSpan>);

impl Drop for Restore {
    fn drop(&mut self) {
        set_active_span(self.0);
    }
}
