//! The cells of a histogram, and their snapshot at a scrape.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use obs_context::active_span;

use super::native::NativeBuckets;
use crate::buckets::Bounds;
use crate::exemplar::{Exemplar, ExemplarSlot};
use crate::storage::ShardedCells;

#[derive(Debug)]
pub(crate) struct HistogramCore {
    pub(super) bounds: Arc<Bounds>,
    /// The sum, then one word a bucket.
    pub(super) cells: ShardedCells,
    exemplars: OnceLock<Box<[ExemplarSlot]>>,
    native: Option<Box<Mutex<NativeBuckets>>>,
}

impl HistogramCore {
    pub(super) fn new(bounds: &Arc<Bounds>) -> Self {
        Self {
            cells: ShardedCells::new(bounds.le.len() + 1),
            bounds: bounds.clone(),
            exemplars: OnceLock::new(),
            native: bounds.native.then(|| Box::new(Mutex::new(NativeBuckets::new()))),
        }
    }

    pub(super) fn snapshot(&self) -> HistogramSnapshot<'_> {
        HistogramSnapshot { core: self, native: self.lock_native() }
    }

    /// Held over both kinds of buckets, so that a scrape sees the same count in both.
    #[inline]
    pub(super) fn lock_native(&self) -> Option<MutexGuard<'_, NativeBuckets>> {
        let native = self.native.as_ref()?;
        Some(native.lock().unwrap_or_else(PoisonError::into_inner))
    }

    #[cold]
    pub(super) fn keep_exemplar(&self, bucket: usize, value: f64) {
        let empty = || self.bounds.le.iter().map(|_| ExemplarSlot::default()).collect();
        let slot = self.exemplars.get_or_init(empty).get(bucket);
        if let (Some(span), Some(slot)) = (active_span(), slot) {
            slot.store(span, value);
        }
    }
}

/// What a scrape reads of a histogram.
pub(crate) struct HistogramSnapshot<'a> {
    core: &'a HistogramCore,
    native: Option<MutexGuard<'a, NativeBuckets>>,
}

impl HistogramSnapshot<'_> {
    pub(crate) fn bounds(&self) -> &Bounds {
        &self.core.bounds
    }

    pub(crate) fn sum(&self) -> f64 {
        self.core.cells.total_float(0)
    }

    /// The count of each bucket alone, `+Inf` last: to be read once a scrape.
    pub(crate) fn counts(&self) -> impl Iterator<Item = u64> {
        (1..=self.core.bounds.le.len()).map(|at| self.core.cells.total(at))
    }

    /// The native buckets, where the histogram has some.
    pub(crate) fn native(&self) -> Option<&NativeBuckets> {
        self.native.as_deref()
    }

    pub(crate) fn exemplar(&self, bucket: usize) -> Option<Exemplar> {
        self.core.exemplars.get()?.get(bucket)?.load()
    }
}
