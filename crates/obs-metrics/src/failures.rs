//! Counts refused metrics where no error can be returned.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Metrics that could not be registered and had to be stood in for, in the whole process.
static FAILURES: AtomicU64 = AtomicU64::new(0);

pub(crate) fn failures() -> u64 {
    FAILURES.load(Relaxed)
}

pub(crate) fn count_failure() {
    FAILURES.fetch_add(1, Relaxed);
}
