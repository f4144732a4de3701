//! The one run of an on-demand check that may be in progress, shared by all probes that wait for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// How long past its timeout a run may go on before its check counts as stale and probes are answered
/// without it.
pub(crate) const RUN_GRACE: Duration = Duration::from_millis(250);

#[derive(Debug, Default)]
pub(crate) struct SharedRun {
    is_running: AtomicBool,
    started_at: Mutex<Option<Instant>>,
    finished: watch::Sender<()>,
}

impl SharedRun {
    /// False when a run is in progress already.
    pub(crate) fn try_begin(&self) -> bool {
        !self.is_running.swap(true, Ordering::AcqRel)
    }

    /// Takes back a [`SharedRun::try_begin`] that starts no run.
    pub(crate) fn cancel(&self) {
        self.is_running.store(false, Ordering::Release);
    }

    pub(crate) fn start_timer(&self) {
        self.set_started_at(Some(Instant::now()));
    }

    /// Notified at the end of each run.
    pub(crate) fn finished(&self) -> watch::Receiver<()> {
        self.finished.subscribe()
    }

    pub(crate) fn is_overdue(&self, timeout: Duration) -> bool {
        let started_at = *self.started_at.lock().unwrap_or_else(PoisonError::into_inner);
        started_at.is_some_and(|at| at.elapsed() > timeout.saturating_add(RUN_GRACE))
    }

    fn set_started_at(&self, at: Option<Instant>) {
        *self.started_at.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }
}

/// Ends the run when it is dropped: also after a panic, and when its runtime shuts down.
pub(crate) struct RunGuard<'a>(pub(crate) &'a SharedRun);

impl Drop for RunGuard<'_> {
    fn drop(&mut self) {
        self.0.set_started_at(None);
        self.0.is_running.store(false, Ordering::Release);
        self.0.finished.send_replace(());
    }
}
