//! The application's handle of the push thread.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use obs_guard::fork_generation;
use obs_otlp::Closer;

use super::shared::{Counters, MAX_WAIT, Shared};

/// What became of the pushes so far; each is in one of the first three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PushCounts {
    /// Pushes that the collector took.
    pub delivered: u64,
    /// Pushes that it did not take.
    pub failed: u64,
    /// Pushes that were under way at the deadline of the shutdown: it may have them.
    pub unknown: u64,
    /// Data points that the collector refused of pushes that it took.
    pub rejected: u64,
}

/// The thread that pushes a registry: made by [`Push::start`](crate::Push::start). Dropping it ends the thread without a last
/// push; [`Pusher::shutdown`] pushes once more. In a forked child it pushes nothing.
#[derive(Debug)]
#[must_use = "pushing ends when this is dropped: keep it"]
pub struct Pusher {
    pub(super) shared: Arc<Shared>,
    pub(super) counters: Counters,
    pub(super) closer: Closer,
    pub(super) thread: Mutex<Option<JoinHandle<()>>>,
    pub(super) is_on: bool,
    /// The fork generation of the process that made it.
    pub(super) generation: u32,
}

impl Pusher {
    /// Whether anything is pushed: see [`Push::environment`](crate::Push::environment).
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// Pushes now, and waits until that is done or so long; tells whether the collector took it. Where nothing is to
    /// be pushed, it is done.
    pub fn flush(&self, deadline: Duration) -> bool {
        if !self.is_on || self.is_inherited() {
            return !self.is_on;
        }
        let end = Instant::now() + deadline.min(MAX_WAIT);
        let mut state = self.shared.lock();
        if state.ended {
            return false;
        }
        state.requested += 1;
        let request = state.requested;
        self.shared.changed.notify_all();
        while state.completed < request && !state.ended {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.shared.wait(state, left);
        }
        state.completed >= request && state.succeeded
    }

    /// Pushes once more and ends the thread, waiting at most so long; tells whether the collector took
    /// the last push.
    pub fn shutdown(&self, deadline: Duration) -> bool {
        if !self.is_on || self.is_inherited() {
            return !self.is_on;
        }
        let deadline = deadline.min(MAX_WAIT);
        // The thread gives up a little earlier, so that its result arrives before the deadline.
        let margin = (deadline / 10).min(Duration::from_millis(200));
        self.closer.close_by(Instant::now() + deadline - margin);
        let is_delivered = self.flush(deadline);
        self.end();
        is_delivered
    }

    /// What became of the pushes so far.
    pub fn counts(&self) -> PushCounts {
        PushCounts {
            delivered: self.counters.delivered.value(),
            failed: self.counters.failed.value(),
            unknown: self.counters.unknown.value(),
            rejected: self.counters.rejected.value(),
        }
    }

    fn end(&self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A push in flight ends by its timeout; this does not wait for it.
        if let Some(thread) = thread.filter(JoinHandle::is_finished) {
            let _ = thread.join();
        }
    }

    /// The thread is the parent's, and it may hold the locks.
    fn is_inherited(&self) -> bool {
        self.generation != fork_generation()
    }
}

impl Drop for Pusher {
    fn drop(&mut self) {
        if !self.is_inherited() {
            self.end();
        }
    }
}
