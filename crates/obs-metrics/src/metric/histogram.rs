//! How often values fell into which range.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use obs_context::{active_span, active_span_is_sampled};

use super::{Native, Sealed};
use crate::buckets::Bounds;
use crate::descriptor::{Descriptor, Kind};
use crate::exemplar::{Exemplar, ExemplarSlot};
use crate::expose::Expose;
use crate::family::Series;
use crate::storage::Words;

/// Observations that were not finite, in the whole process.
static REJECTED: AtomicU64 = AtomicU64::new(0);

pub(crate) fn rejected_observations() -> u64 {
    REJECTED.load(Relaxed)
}

/// Counts an observation that is left out.
#[cold]
pub(super) fn reject() {
    REJECTED.fetch_add(1, Relaxed);
}

/// How often values fell into which bucket, with their sum and count: latencies, sizes.
///
/// A clone is the same histogram. An observation takes no lock and no atomic read-modify-write; the
/// count of a scrape is always the sum of its buckets. Inside a sampled span the bucket keeps the trace
/// as its exemplar.
///
/// ```
/// use obs_metrics::{Buckets, Registry};
///
/// let registry = Registry::new();
/// let latency = registry.histogram("job_duration_seconds", "Run time.", Buckets::around(0.5))?;
/// latency.observe(0.31);
/// {
///     let _timer = latency.start_timer();     // observes the seconds until it is dropped
/// }
/// assert_eq!(latency.count(), 2);
/// # Ok::<(), obs_metrics::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Histogram(Arc<Series<HistogramCore>>);

impl Histogram {
    /// Counts one value. One that is not finite would spoil the sum for good: it is left out, and
    /// counted in `obs_metrics_observations_rejected_total`.
    #[inline]
    pub fn observe(&self, value: f64) {
        if !value.is_finite() {
            reject();
            return;
        }
        let core = self.0.core();
        let bucket = core.bounds.bucket(value);
        let native = core.lock_native();
        core.words.observe(bucket + 1, value);
        if let Some(mut native) = native {
            native.observe(value);
        }
        if active_span_is_sampled() {
            core.keep_exemplar(bucket, value);
        }
    }

    /// Counts a duration, in seconds.
    #[inline]
    pub fn observe_duration(&self, duration: Duration) {
        self.observe(duration.as_secs_f64());
    }

    /// Observes the seconds from now until the guard is dropped, also by a panic.
    pub fn start_timer(&self) -> Timer {
        Timer { histogram: Some(self.clone()), started: Instant::now() }
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        let core = self.0.core();
        (1..=core.bounds.le.len()).map(|at| core.words.total(at)).sum()
    }

    /// The sum of the values that were counted.
    pub fn sum(&self) -> f64 {
        self.0.core().words.total_float(0)
    }
}

/// Observes the time it lived: made by [`Histogram::start_timer`].
#[derive(Debug)]
#[must_use = "the time is measured until this guard is dropped"]
pub struct Timer {
    histogram: Option<Histogram>,
    started: Instant,
}

impl Timer {
    /// Observes now, and tells what.
    pub fn stop(mut self) -> Duration {
        let elapsed = self.started.elapsed();
        if let Some(histogram) = self.histogram.take() {
            histogram.observe_duration(elapsed);
        }
        elapsed
    }

    /// Observes nothing.
    pub fn discard(mut self) {
        self.histogram = None;
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(histogram) = self.histogram.take() {
            histogram.observe_duration(self.started.elapsed());
        }
    }
}

#[derive(Debug)]
pub(crate) struct HistogramCore {
    bounds: Arc<Bounds>,
    /// The sum, then one word a bucket.
    words: Words,
    exemplars: OnceLock<Box<[ExemplarSlot]>>,
    native: Option<Box<Mutex<Native>>>,
}

impl HistogramCore {
    /// Held over both kinds of buckets, so that a scrape sees the same count in both.
    #[inline]
    fn lock_native(&self) -> Option<MutexGuard<'_, Native>> {
        let native = self.native.as_ref()?;
        Some(native.lock().unwrap_or_else(PoisonError::into_inner))
    }

    #[cold]
    fn keep_exemplar(&self, bucket: usize, value: f64) {
        let empty = || self.bounds.le.iter().map(|_| ExemplarSlot::default()).collect();
        let slot = self.exemplars.get_or_init(empty).get(bucket);
        if let (Some(span), Some(slot)) = (active_span(), slot) {
            slot.store(span, value);
        }
    }
}

/// What a scrape reads of a histogram.
pub(crate) struct Snapshot<'a> {
    core: &'a HistogramCore,
    native: Option<MutexGuard<'a, Native>>,
}

impl Snapshot<'_> {
    pub(crate) fn bounds(&self) -> &Bounds {
        &self.core.bounds
    }

    pub(crate) fn sum(&self) -> f64 {
        self.core.words.total_float(0)
    }

    /// The count of each bucket alone, `+Inf` last: to be read once a scrape.
    pub(crate) fn counts(&self) -> impl Iterator<Item = u64> {
        (1..=self.core.bounds.le.len()).map(|at| self.core.words.total(at))
    }

    /// The native buckets, where the histogram has some.
    pub(crate) fn native(&self) -> Option<&Native> {
        self.native.as_deref()
    }

    pub(crate) fn exemplar(&self, bucket: usize) -> Option<Exemplar> {
        self.core.exemplars.get()?.get(bucket)?.load()
    }
}

impl Sealed for Histogram {
    type Core = HistogramCore;
    type Settings = Arc<Bounds>;

    const KIND: Kind = Kind::Histogram;

    fn core(bounds: &Arc<Bounds>) -> HistogramCore {
        HistogramCore {
            words: Words::new(bounds.le.len() + 1),
            bounds: bounds.clone(),
            exemplars: OnceLock::new(),
            native: bounds.native.then(|| Box::new(Mutex::new(Native::new()))),
        }
    }

    fn from_series(series: Arc<Series<HistogramCore>>) -> Self {
        Self(series)
    }

    fn fingerprint(core: &HistogramCore) -> u64 {
        (1..=core.bounds.le.len()).map(|at| core.words.total(at)).sum()
    }

    fn expose(core: &HistogramCore, labels: &str, family: &Descriptor, out: &mut dyn Expose) {
        out.histogram(family, labels, &Snapshot { core, native: core.lock_native() });
    }
}
