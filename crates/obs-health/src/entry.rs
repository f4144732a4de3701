//! One check with its status.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::check::Check;
use crate::shared_run::SharedRun;
use crate::status::{FailureKind, Status, Verdict};

pub(crate) struct Entry {
    pub(crate) check: Check,
    pub(crate) scheduled: AtomicBool,
    pub(crate) shared_run: SharedRun,
    status: Mutex<Status>,
    disabled: AtomicBool,
}

impl Entry {
    pub(crate) fn new(check: Check) -> Self {
        Self {
            check,
            scheduled: AtomicBool::new(false),
            shared_run: SharedRun::default(),
            status: Mutex::new(Status::pending()),
            disabled: AtomicBool::new(false),
        }
    }

    /// Held for copies only, never across I/O or user code.
    pub(crate) fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn disable(&self) {
        self.disabled.store(true, Ordering::Release);
    }

    pub(crate) fn is_disabled(&self) -> bool {
        self.disabled.load(Ordering::Acquire)
    }

    pub(crate) fn verdict(&self) -> Verdict {
        self.verdict_at(Instant::now())
    }

    /// For those who ask many checks at one moment.
    pub(crate) fn verdict_at(&self, now: Instant) -> Verdict {
        if self.is_disabled() {
            return Verdict::Disabled;
        }
        match self.check.time_to_live {
            None => self.status().verdict(now, self.check.stale_after()),
            Some(_) if self.shared_run.is_overdue(self.check.timeout) => {
                Verdict::Down(FailureKind::Stale)
            }
            Some(_) => self.status().settled(),
        }
    }
}
