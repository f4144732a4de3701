//! Wakes the worker.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;

/// Wakes the worker: at a price only when it is parked, or when there is no time to lose.
#[derive(Default)]
pub(super) struct Waker {
    pub(super) is_parked: AtomicBool,
    pub(super) is_urgent: AtomicBool,
    worker: OnceLock<Thread>,
}

impl Waker {
    pub(super) fn set_worker(&self, worker: Thread) {
        let _ = self.worker.set(worker);
    }

    /// Wakes the worker if it is parked without a timeout; if it is urgent, also from a pause between two batches.
    #[inline]
    pub(super) fn wake(&self, is_urgent: bool) {
        if is_urgent && !self.is_urgent.swap(true, Ordering::SeqCst) {
            return self.unpark();
        }
        if self.is_parked.load(Ordering::SeqCst) && self.is_parked.swap(false, Ordering::SeqCst) {
            self.unpark();
        }
    }

    #[cold]
    fn unpark(&self) {
        if let Some(worker) = self.worker.get() {
            worker.unpark();
        }
    }
}
