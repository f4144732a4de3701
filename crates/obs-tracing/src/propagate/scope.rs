//! Sets the origin and the baggage of the spans of a piece of work.

use super::baggage::Baggage;
use super::remote::{Origin, RemoteContext};
use crate::thread_state;

impl Baggage {
    /// Makes the spans that `work` creates carry this baggage, in place of what they would have inherited:
    /// they hand it on to their children and, in headers, to other services.
    ///
    /// ```
    /// use obs_tracing::propagate;
    ///
    /// let baggage = propagate::baggage().with("tenant", "acme");
    /// let span = baggage.scope(|| tracing::info_span!("import"));
    /// # drop(span);
    /// ```
    pub fn scope<R>(&self, work: impl FnOnce() -> R) -> R {
        with_baggage(self.clone(), work)
    }
}

impl RemoteContext {
    /// Makes the spans that `work` creates, and that have no parent in this process, children of this
    /// context.
    ///
    /// ```
    /// # use obs_tracing::propagate::RemoteContext;
    /// # fn consume(message: RemoteContext) {
    /// let span = message.scope(|| tracing::info_span!("consume order"));
    /// # let _ = span;
    /// # }
    /// ```
    pub fn scope<R>(&self, work: impl FnOnce() -> R) -> R {
        with_origin(Origin { remote: self.clone(), route: None }, work)
    }
}

/// Runs `work` with this baggage for all of its spans.
fn with_baggage<R>(baggage: Baggage, work: impl FnOnce() -> R) -> R {
    /// Puts the former baggage back, also when `work` panics.
    struct Restore(Option<Baggage>);

    impl Drop for Restore {
        fn drop(&mut self) {
            let former = self.0.take();
            thread_state::with(|thread| thread.baggage = former);
        }
    }

    let former = thread_state::with(|thread| thread.baggage.replace(baggage)).flatten();
    let _restore = Restore(former);
    work()
}

/// Runs `work` with this origin for its parentless spans.
pub(crate) fn with_origin<R>(origin: Origin, work: impl FnOnce() -> R) -> R {
    /// Puts the former origin back, also when `work` panics.
    struct Restore(Option<Origin>);

    impl Drop for Restore {
        fn drop(&mut self) {
            let former = self.0.take();
            thread_state::with(|thread| thread.origin = former);
        }
    }

    let former = thread_state::with(|thread| thread.origin.replace(origin)).flatten();
    let _restore = Restore(former);
    work()
}
