//! The thread that logs writes.

use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use tracing_core::Level;

use super::report::FlushReport;
use super::tally::{Counts, Tally, level_index};
use super::target::Target;
use super::writing;

pub(crate) struct Direct {
    target: Mutex<Target>,
    tally: Arc<Tally>,
}

impl Direct {
    pub(crate) fn new(target: Target, tally: Arc<Tally>) -> Self {
        Self { target: Mutex::new(target), tally }
    }

    pub(super) fn push(&self, level: Level, line: &[u8]) -> bool {
        let was_taken = writing::once(|| {
            let mut target = self.target.lock().unwrap_or_else(PoisonError::into_inner);
            self.tally.emitted[level_index(level)].add(1);
            let was_taken = target.write(line, &[line.len() as u32], &self.tally);
            if was_taken {
                target.report_losses(self.tally.dropped(), &self.tally);
            }
            was_taken
        });
        was_taken.unwrap_or_else(|| {
            self.tally.count_dropped(level);
            false
        })
    }

    pub(super) fn flush(&self, deadline: Duration) -> FlushReport {
        let complete = self.flush_within(deadline);
        let counts = self.counts();
        FlushReport {
            written: counts.written,
            dropped: counts.dropped,
            unknown: counts.unknown,
            complete,
        }
    }

    /// Another thread may be inside a writer that is stuck, and this one inside the writer, too: a
    /// panic in it flushes.
    fn flush_within(&self, deadline: Duration) -> bool {
        if writing::is_writing() {
            return false;
        }
        let start = Instant::now();
        loop {
            match self.target.try_lock() {
                Ok(mut target) => {
                    target.flush(&self.tally);
                    return true;
                }
                Err(TryLockError::Poisoned(target)) => {
                    target.into_inner().flush(&self.tally);
                    return true;
                }
                Err(TryLockError::WouldBlock) if start.elapsed() >= deadline => return false,
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.tally.counts()
    }

    pub(super) fn emitted(&self) -> [u64; 5] {
        self.tally.emitted()
    }

    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }
}
