//! The thread that logs writes.

use std::cell::Cell;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing_core::Level;

use super::tally::{Counts, Tally, level_index};
use super::{FlushReport, Target};

thread_local! {
    /// Whether this thread is inside the writer: a writer that logs must not wait for itself.
    static WRITING: Cell<bool> = const { Cell::new(false) };
}

pub(crate) struct Direct {
    target: Mutex<Target>,
    tally: Arc<Tally>,
}

impl Direct {
    pub(crate) fn new(target: Target, tally: Arc<Tally>) -> Self {
        Self { target: Mutex::new(target), tally }
    }

    pub(super) fn push(&self, level: Level, line: &[u8]) -> bool {
        if WRITING.try_with(|writing| writing.replace(true)).unwrap_or(false) {
            self.tally.refuse(level);
            return false;
        }
        let was_taken = {
            let mut target = self.target.lock().unwrap_or_else(PoisonError::into_inner);
            self.tally.emitted[level_index(level)].add(1);
            let was_taken = target.write(line, &[line.len() as u32], &self.tally);
            if was_taken {
                target.tell_of_losses(self.tally.dropped(), &self.tally);
            }
            was_taken
        };
        let _ = WRITING.try_with(|writing| writing.set(false));
        was_taken
    }

    pub(super) fn flush(&self, _deadline: Duration) -> FlushReport {
        self.target.lock().unwrap_or_else(PoisonError::into_inner).flush(&self.tally);
        let counts = self.counts();
        FlushReport { written: counts.written, dropped: counts.dropped, complete: true }
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
