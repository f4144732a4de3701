//! What only a restart mends, for liveness and the metrics: a wedged runtime, dead background tasks.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

#[derive(Debug, Default)]
pub(crate) struct HeartbeatState {
    wedged: AtomicBool,
    wedged_total: AtomicU64,
    beats: AtomicU64,
    dead_tasks: AtomicU64,
}

impl HeartbeatState {
    pub(crate) fn is_wedged(&self) -> bool {
        self.wedged.load(Ordering::Acquire)
    }

    pub(crate) fn set_wedged(&self, wedged: bool) {
        let before = self.wedged.swap(wedged, Ordering::AcqRel);
        if wedged && !before {
            self.wedged_total.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn count_beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_dead_task(&self) {
        self.dead_tasks.fetch_add(1, Ordering::AcqRel);
    }

    /// Background tasks that panicked.
    pub(crate) fn dead_tasks(&self) -> u64 {
        self.dead_tasks.load(Ordering::Acquire)
    }

    /// How often the runtime was found wedged.
    pub(crate) fn wedged_total(&self) -> u64 {
        self.wedged_total.load(Ordering::Relaxed)
    }

    /// How many heartbeats there were: zero without a watchdog.
    pub(crate) fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }
}
