//! One series: its labels and its number.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, fence};
use std::time::Duration;

use super::Labels;
use crate::exemplar::milliseconds_now;

/// One series: its labels and its number.
#[derive(Debug)]
pub(crate) struct Series<C> {
    labels: Labels,
    /// Milliseconds since the epoch.
    created: u64,
    /// Whether an expiry has looked at who holds the series, or is looking.
    expiring: AtomicBool,
    core: C,
}

impl<C> Series<C> {
    pub(crate) fn new(labels: Labels, core: C) -> Self {
        Self { labels, created: milliseconds_now(), expiring: AtomicBool::new(false), core }
    }

    /// When the series was made, since the epoch.
    pub(crate) fn created(&self) -> Duration {
        Duration::from_millis(self.created)
    }

    /// Called by an expiry before it counts who holds the series.
    ///
    /// With [`Self::is_expiring`] it makes a store and a load on both sides, with a fence between: the
    /// expiry sees the new holder, or the holder sees the expiry.
    pub(super) fn begin_expiry(&self) {
        self.expiring.store(true, Relaxed);
        fence(SeqCst);
    }

    /// Called by an expiry that found a holder.
    pub(super) fn cancel_expiry(&self) {
        self.expiring.store(false, Relaxed);
    }

    /// Called by a new holder: whether the series may be on its way out.
    pub(super) fn is_expiring(&self) -> bool {
        fence(SeqCst);
        self.expiring.load(Relaxed)
    }

    pub(crate) fn labels(&self) -> &Labels {
        &self.labels
    }

    #[inline]
    pub(crate) fn core(&self) -> &C {
        &self.core
    }
}
