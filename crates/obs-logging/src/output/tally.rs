//! The counters of lines.

use std::sync::atomic::{AtomicU64, Ordering};

use tracing_core::Level;

/// The number of lines, by what became of them.
///
/// `emitted` is `written`, `dropped` and what still waits for the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lines that were made.
    pub emitted: u64,
    /// Lines that the output has taken whole.
    pub written: u64,
    /// Lines that were lost: to a full buffer, to a failed write, or to the deadline of a shutdown.
    pub dropped: u64,
    /// Of the dropped lines, those that were on their way to a collector at the deadline of a shutdown: it may
    /// have them.
    pub unknown: u64,
    /// Writes that failed; each may have cost many lines.
    pub write_errors: u64,
    /// Bytes that the output has taken.
    pub bytes: u64,
}

/// The counters of one output.
#[derive(Default)]
pub(crate) struct Tally {
    /// Lines that came to the target.
    pub(super) emitted: [LockedCounter; 5],
    pub(super) written: LockedCounter,
    pub(super) lost: LockedCounter,
    pub(super) unknown: LockedCounter,
    pub(super) write_errors: LockedCounter,
    pub(super) bytes: LockedCounter,
    /// Lines that were dropped before they reached the target, by level.
    dropped_early: [AtomicU64; 5],
    dropped_early_total: AtomicU64,
    /// Panics that the hook has seen.
    pub(crate) panics: AtomicU64,
    /// Lines that sampling, a limit or a processor suppressed.
    suppressed: AtomicU64,
    /// Lines that a budget has shed, by level, where there is one.
    shed: Option<[AtomicU64; 5]>,
}

/// A counter that is changed only under the target's lock, and read without it.
#[derive(Default)]
pub(super) struct LockedCounter(AtomicU64);

impl LockedCounter {
    /// A load and a store: the lock excludes other writers.
    #[inline]
    pub(super) fn add(&self, more: u64) {
        self.0.store(self.read() + more, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Tally {
    pub(crate) fn new(has_budget: bool) -> Self {
        Self { shed: has_budget.then(Default::default), ..Self::default() }
    }

    /// Counts a line that the budget has shed.
    pub(crate) fn shed(&self, level: Level) {
        if let Some(shed) = &self.shed {
            shed[level_index(level)].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lines that the budget has shed, by level, errors first.
    pub(crate) fn shed_by_level(&self) -> Option<[u64; 5]> {
        let shed = self.shed.as_ref()?;
        Some(std::array::from_fn(|level| shed[level].load(Ordering::Relaxed)))
    }

    /// Counts a line that is dropped before it reached the target.
    pub(super) fn count_dropped(&self, level: Level) {
        self.dropped_early[level_index(level)].fetch_add(1, Ordering::Relaxed);
        self.dropped_early_total.fetch_add(1, Ordering::Relaxed);
    }

    /// As `write_errors.add(1)`, without a lock.
    pub(super) fn note_shared_error(&self) {
        self.write_errors.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn suppressed(&self) -> u64 {
        self.suppressed.load(Ordering::Relaxed)
    }

    /// Counts a line that sampling, a limit or a processor suppressed.
    pub(crate) fn suppress(&self) {
        self.suppressed.fetch_add(1, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn dropped(&self) -> u64 {
        self.lost.read() + self.dropped_early_total.load(Ordering::Relaxed)
    }

    pub(super) fn emitted(&self) -> [u64; 5] {
        let dropped_early = self.dropped_early();
        std::array::from_fn(|level| self.emitted[level].read() + dropped_early[level])
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            written: self.written.read(),
            dropped: self.dropped(),
            unknown: self.unknown.read(),
            write_errors: self.write_errors.read(),
            bytes: self.bytes.read(),
            emitted: self.emitted().iter().sum(),
        }
    }

    fn dropped_early(&self) -> [u64; 5] {
        std::array::from_fn(|level| self.dropped_early[level].load(Ordering::Relaxed))
    }
}

/// 0 for errors to 4 for traces.
#[inline]
pub(super) const fn level_index(level: Level) -> usize {
    match level {
        Level::ERROR => 0,
        Level::WARN => 1,
        Level::INFO => 2,
        Level::DEBUG => 3,
        Level::TRACE => 4,
    }
}
