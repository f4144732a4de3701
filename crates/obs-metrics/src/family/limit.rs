//! The guard against cardinality explosions: how many series a family may have.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use crate::storage::ShardedCells;

/// Bytes of a label value that the warning shows.
const MAX_SHOWN_VALUE: usize = 128;

/// Series a family, unless another limit is set.
pub(crate) const DEFAULT_MAX_SERIES: usize = 2_000;

#[derive(Debug)]
pub(crate) struct SeriesLimit {
    max_series: AtomicUsize,
    /// Whether the limit is reached: new label sets are then rejected without a lock.
    reached: AtomicBool,
    warned: AtomicBool,
    /// Series that the family has: written under its lock, read without.
    series: AtomicUsize,
    /// Uses of the overflow series, and those for which the registry's budget is the reason.
    overflowed: ShardedCells,
}

impl SeriesLimit {
    pub(crate) fn new(max_series: usize) -> Self {
        Self {
            max_series: AtomicUsize::new(max_series),
            reached: AtomicBool::new(false),
            warned: AtomicBool::new(false),
            series: AtomicUsize::new(0),
            overflowed: ShardedCells::new(2),
        }
    }

    pub(crate) fn set(&self, max_series: usize) {
        self.max_series.store(max_series, Relaxed);
        self.reached.store(false, Relaxed);
    }

    pub(crate) fn max_series(&self) -> usize {
        self.max_series.load(Relaxed)
    }

    pub(crate) fn is_reached(&self) -> bool {
        self.reached.load(Relaxed)
    }

    pub(crate) fn series(&self) -> usize {
        self.series.load(Relaxed)
    }

    pub(crate) fn set_series(&self, series: usize) {
        self.series.store(series, Relaxed);
    }

    /// Counts one use of the overflow series for which the registry's budget is the reason.
    pub(crate) fn count_shed(&self) {
        self.overflowed.add(0, 1);
        self.overflowed.add(1, 1);
    }

    pub(crate) fn shed(&self) -> u64 {
        self.overflowed.total(1)
    }

    /// Whether another series fits beside this many.
    pub(crate) fn try_admit(&self, series: usize) -> bool {
        let is_admitted = series < self.max_series();
        self.reached.store(!is_admitted, Relaxed);
        is_admitted
    }

    /// Counts one use of the overflow series, and warns at the first.
    pub(crate) fn count_overflow(&self, metric: &str, values: &[&str]) {
        self.overflowed.add(0, 1);
        if !self.warned.load(Relaxed) && !self.warned.swap(true, Relaxed) {
            let labels = values.iter().map(|value| obs_guard::truncated(value, MAX_SHOWN_VALUE));
            tracing::warn!(
                metric,
                limit = self.max_series(),
                labels = ?labels.collect::<Vec<_>>(),
                "a metric reached its limit of series, or has label values of more than 4 KiB: such label \
                 sets share one overflow series; find the unbounded label, or raise the limit"
            );
        }
    }

    pub(crate) fn overflowed(&self) -> u64 {
        self.overflowed.total(0)
    }
}
