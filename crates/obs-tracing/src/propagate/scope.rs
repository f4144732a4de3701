//! Where the spans of a piece of work come from, and what they carry.

use super::baggage::Baggage;
use super::remote::{Origin, RemoteContext};
use crate::local;

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
        within(Origin { remote: self.clone(), route: None }, work)
    }
}

/// Runs `work` with this baggage for all of its spans.
fn with_baggage<R>(baggage: Baggage, work: impl FnOnce() -> R) -> R {
    /// Puts the former baggage back, also when `work` panics.
    struct Restore(Option<Baggage>);

    impl Drop for Restore {
        fn drop(&mut self) {
            let former = self.0.take();
            local::with(|local| local.baggage = former);
        }
    }

    let former = local::with(|local| local.baggage.replace(baggage)).flatten();
    let _restore = Restore(former);
    work()
}

/// Runs `work` with this origin for its parentless spans.
pub(crate) fn within<R>(origin: Origin, work: impl FnOnce() -> R) -> R {
    /// Puts the former origin back, also when `work` panics.
    struct Restore(Option<Origin>);

    impl Drop for Restore {
        fn drop(&mut self) {
            let former = self.0.take();
            local::with(|local| local.origin = former);
        }
    }

    let former = local::with(|local| local.origin.replace(origin)).flatten();
    let _restore = Restore(former);
    work()
}
