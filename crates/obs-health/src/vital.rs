//! What the watchdog knows of the runtime, for liveness and the metrics.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

#[derive(Debug, Default)]
pub(crate) struct Vital {
    wedged: AtomicBool,
    times: AtomicU64,
    beats: AtomicU64,
}

impl Vital {
    pub(crate) fn is_wedged(&self) -> bool {
        self.wedged.load(Ordering::Acquire)
    }

    pub(crate) fn set_wedged(&self, wedged: bool) {
        let before = self.wedged.swap(wedged, Ordering::AcqRel);
        if wedged && !before {
            self.times.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// How often the runtime was found wedged.
    pub(crate) fn times(&self) -> u64 {
        self.times.load(Ordering::Relaxed)
    }

    /// How many heartbeats there were: zero without a watchdog.
    pub(crate) fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }
}
