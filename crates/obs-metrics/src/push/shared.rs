//! State that the pusher's handle and its thread share.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::metric::Counter;

/// The upper limit of a wait: adding `Duration::MAX` to a clock overflows.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(365 * 24 * 3600);

#[derive(Clone, Debug)]
pub(super) struct Counters {
    pub(super) delivered: Counter,
    pub(super) failed: Counter,
    pub(super) unknown: Counter,
    pub(super) rejected: Counter,
}

#[derive(Debug, Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) changed: Condvar,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// Pushes that were requested, and how many of them are done.
    pub(super) requested: u64,
    pub(super) completed: u64,
    pub(super) succeeded: bool,
    pub(super) ended: bool,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        timeout: Duration,
    ) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, timeout).unwrap_or_else(PoisonError::into_inner).0
    }
}
