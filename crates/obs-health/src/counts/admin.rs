//! Requests that an admin server rejected and connections that it closed.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Default)]
pub(crate) struct AdminCounts {
    rejected: AtomicU64,
    closed: [AtomicU64; 3],
}

/// Why the server closed a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum AdminClosed {
    /// No request's head came in time.
    Idle,
    /// Its peer did not read the answer.
    Write,
    /// A newer connection needed its place.
    Evicted,
}

impl AdminClosed {
    const ALL: [Self; 3] = [Self::Idle, Self::Write, Self::Evicted];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Write => "write",
            Self::Evicted => "evicted",
        }
    }
}

impl AdminCounts {
    pub(crate) fn rejected(&self) {
        self.rejected.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn closed(&self, reason: AdminClosed) {
        self.closed[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn rejected_total(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    /// By reason.
    pub(crate) fn closed_by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let count = |reason: AdminClosed| self.closed[reason as usize].load(Ordering::Relaxed);
        AdminClosed::ALL.into_iter().map(move |reason| (reason.as_str(), count(reason)))
    }
}
