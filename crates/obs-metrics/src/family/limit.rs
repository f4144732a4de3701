//! The guard against cardinality explosions: how many series a family may have.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use crate::storage::Words;

/// Bytes of a label value that the warning shows.
const MAX_SHOWN_VALUE: usize = 128;

/// Series a family, unless another limit is set.
pub(crate) const DEFAULT: usize = 2_000;

#[derive(Debug)]
pub(crate) struct Limit {
    most: AtomicUsize,
    /// Whether the limit was reached: new label sets then need no lock to be turned away.
    reached: AtomicBool,
    warned: AtomicBool,
    /// Series that the family has: written under its lock, read without.
    series: AtomicUsize,
    /// Uses of the overflow series, and those for which the registry's budget is the reason.
    overflowed: Words,
}

impl Limit {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most: AtomicUsize::new(most),
            reached: AtomicBool::new(false),
            warned: AtomicBool::new(false),
            series: AtomicUsize::new(0),
            overflowed: Words::new(2),
        }
    }

    pub(crate) fn set(&self, most: usize) {
        self.most.store(most, Relaxed);
        self.reached.store(false, Relaxed);
    }

    pub(crate) fn most(&self) -> usize {
        self.most.load(Relaxed)
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

    /// Whether there is room beside so many series.
    pub(crate) fn admits(&self, series: usize) -> bool {
        let admits = series < self.most();
        self.reached.store(!admits, Relaxed);
        admits
    }

    /// Counts one use of the overflow series, and warns of the first.
    pub(crate) fn count_overflow(&self, metric: &str, values: &[&str]) {
        self.overflowed.add(0, 1);
        if !self.warned.load(Relaxed) && !self.warned.swap(true, Relaxed) {
            let labels = values.iter().map(|value| obs_guard::truncated(value, MAX_SHOWN_VALUE));
            tracing::warn!(
                metric,
                limit = self.most(),
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
