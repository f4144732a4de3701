//! Which threads have a timer of their own, for a signal handler to ask.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// The kernel's PID_MAX_LIMIT: no thread's id is higher.
const MAX_TID: usize = 4 * 1024 * 1024;

/// A bit for every thread id: half a megabyte, of which only what is used becomes memory. By default none can have one.
#[derive(Debug, Default)]
pub(crate) struct Timed(Box<[AtomicU64]>);

impl Timed {
    pub(crate) fn none() -> Self {
        Self((0..MAX_TID / 64).map(|_| AtomicU64::new(0)).collect())
    }

    pub(crate) fn has(&self, tid: i32) -> bool {
        self.word(tid).is_some_and(|(word, bit)| word.load(Relaxed) & bit != 0)
    }

    pub(crate) fn set(&self, tid: i32, has: bool) {
        match self.word(tid) {
            Some((word, bit)) if has => word.fetch_or(bit, Relaxed),
            Some((word, bit)) => word.fetch_and(!bit, Relaxed),
            None => 0,
        };
    }

    fn word(&self, tid: i32) -> Option<(&AtomicU64, u64)> {
        let tid = usize::try_from(tid).ok()?;
        Some((self.0.get(tid / 64)?, 1 << (tid % 64)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thread_has_own_bit() {
        let timed = Timed::none();
        timed.set(77, true);
        timed.set(i32::MAX, true);
        timed.set(-1, true);
        let has = |tid| timed.has(tid);
        assert!(has(77) && ![76, 78, -1, i32::MAX].into_iter().any(has));
        timed.set(77, false);
        assert!(!has(77));
    }
}
