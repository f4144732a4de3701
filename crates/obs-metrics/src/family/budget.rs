//! How many series a registry may have, over all its families.

use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::{Duration, Instant};

const NONE: usize = usize::MAX;

/// What of the budget is for the families that are not among the largest.
const RESERVE: usize = 8;

const WARNING_INTERVAL: Duration = Duration::from_secs(30);

/// The series that the families of a registry share.
#[derive(Debug)]
pub(crate) struct Budget {
    most: AtomicUsize,
    series: AtomicUsize,
    families: AtomicUsize,
    /// Uses of overflow series that no warning has told of, and when the last one did: seconds since the first use of
    /// this clock, one more.
    unsaid: AtomicU64,
    warned_at: AtomicU64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            most: AtomicUsize::new(NONE),
            series: AtomicUsize::new(0),
            families: AtomicUsize::new(0),
            unsaid: AtomicU64::new(0),
            warned_at: AtomicU64::new(0),
        }
    }
}

impl Budget {
    pub(crate) fn set(&self, most: Option<usize>) {
        self.most.store(most.unwrap_or(NONE), Relaxed);
    }

    pub(crate) fn most(&self) -> Option<usize> {
        Some(self.most.load(Relaxed)).filter(|most| *most != NONE)
    }

    /// Series of all families, without their overflow series.
    pub(crate) fn series(&self) -> usize {
        self.series.load(Relaxed)
    }

    pub(super) fn add_family(&self) {
        self.families.fetch_add(1, Relaxed);
    }

    pub(super) fn add_series(&self) {
        self.series.fetch_add(1, Relaxed);
    }

    pub(super) fn remove_series(&self, count: usize) {
        self.series.fetch_sub(count, Relaxed);
    }

    /// Whether a family of so many series gets no more: none does once the budget is used up, and of its last eighth
    /// none that is larger than the mean.
    pub(super) fn refuses(&self, series_of_family: usize) -> bool {
        let Some(most) = self.most() else { return false };
        let all = self.series();
        let families = self.families.load(Relaxed);
        all >= most
            || (all >= most - most / RESERVE && series_of_family.saturating_mul(families) > all)
    }

    /// Warns now and then that new label sets share an overflow series.
    pub(super) fn warn(&self, metric: &str, series_of_family: usize) {
        static START: OnceLock<Instant> = OnceLock::new();
        let now = START.get_or_init(Instant::now).elapsed().as_secs() + 1;
        self.unsaid.fetch_add(1, Relaxed);
        let warned_at = self.warned_at.load(Relaxed);
        let is_due = warned_at == 0 || now >= warned_at + WARNING_INTERVAL.as_secs();
        if !is_due || self.warned_at.compare_exchange(warned_at, now, Relaxed, Relaxed).is_err() {
            return;
        }
        tracing::warn!(
            metric,
            series_of_metric = series_of_family,
            series = self.series(),
            budget = self.most(),
            uses = self.unsaid.swap(0, Relaxed),
            "the metrics are past their budget of series, and new label sets of the largest share one overflow \
             series: find the unbounded label on /debug/cardinality, or raise the budget"
        );
    }
}
