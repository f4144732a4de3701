//! The account of lines.

use std::sync::atomic::{AtomicU64, Ordering};

use tracing_core::Level;

/// How many lines there were, and what became of them.
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

/// What is counted where the output is.
#[derive(Default)]
pub(crate) struct Tally {
    /// Lines that came to the target.
    pub(super) emitted: [Guarded; 5],
    pub(super) written: Guarded,
    pub(super) lost: Guarded,
    pub(super) unknown: Guarded,
    pub(super) write_errors: Guarded,
    pub(super) bytes: Guarded,
    /// Lines that did not get as far as the target.
    refused: [AtomicU64; 5],
    refused_in_all: AtomicU64,
    /// Panics that the hook has seen.
    pub(crate) panics: AtomicU64,
    /// Lines that a processor has held back.
    suppressed: AtomicU64,
}

/// A counter that only the holder of the target's lock changes, and that anybody reads.
#[derive(Default)]
pub(super) struct Guarded(AtomicU64);

impl Guarded {
    /// Two plain instructions: the lock keeps others from coming in between.
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
    /// A line that is lost without having come to the target.
    pub(super) fn count_dropped(&self, level: Level) {
        self.refused[level_index(level)].fetch_add(1, Ordering::Relaxed);
        self.refused_in_all.fetch_add(1, Ordering::Relaxed);
    }

    /// As `write_errors.add(1)`, without a lock.
    pub(super) fn note_shared_error(&self) {
        self.write_errors.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn suppressed(&self) -> u64 {
        self.suppressed.load(Ordering::Relaxed)
    }

    /// A line that nobody wants after all.
    pub(crate) fn suppress(&self) {
        self.suppressed.fetch_add(1, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn dropped(&self) -> u64 {
        self.lost.read() + self.refused_in_all.load(Ordering::Relaxed)
    }

    pub(super) fn emitted(&self) -> [u64; 5] {
        let refused = self.refused();
        std::array::from_fn(|level| self.emitted[level].read() + refused[level])
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

    fn refused(&self) -> [u64; 5] {
        std::array::from_fn(|level| self.refused[level].load(Ordering::Relaxed))
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
