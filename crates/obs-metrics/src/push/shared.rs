//! What the application's end and the thread have in common.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::metric::Counter;

/// The longest wait: a clock cannot be told of `Duration::MAX`.
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
    /// Pushes that were asked for, and how many of them are done.
    pub(super) asked: u64,
    pub(super) answered: u64,
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
        most: Duration,
    ) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, most).unwrap_or_else(PoisonError::into_inner).0
    }
}
