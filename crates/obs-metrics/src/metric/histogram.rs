//! Histograms with fixed buckets.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use obs_context::active_span_is_sampled;

use super::metric_type::{RECORDS, Sealed};
use super::snapshot::HistogramCore;
use crate::buckets::Bounds;
use crate::descriptor::Descriptor;
use crate::expose::Expose;
use crate::family::Series;
use crate::kind::Kind;

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
        if !RECORDS {
            return;
        }
        if !value.is_finite() {
            reject();
            return;
        }
        let core = self.0.core();
        let bucket = core.bounds.bucket(value);
        let native = core.lock_native();
        core.cells.observe(bucket + 1, value);
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
        Timer { histogram: RECORDS.then(|| self.clone()), started: Instant::now() }
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        let core = self.0.core();
        (1..=core.bounds.le.len()).map(|at| core.cells.total(at)).sum()
    }

    /// The sum of the values that were counted.
    pub fn sum(&self) -> f64 {
        self.0.core().cells.total_float(0)
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

impl Sealed for Histogram {
    type Core = HistogramCore;
    type Settings = Arc<Bounds>;

    const KIND: Kind = Kind::Histogram;

    fn core(bounds: &Arc<Bounds>) -> HistogramCore {
        HistogramCore::new(bounds)
    }

    fn from_series(series: Arc<Series<HistogramCore>>) -> Self {
        Self(series)
    }

    fn fingerprint(core: &HistogramCore) -> u64 {
        (1..=core.bounds.le.len()).map(|at| core.cells.total(at)).sum()
    }

    fn expose(core: &HistogramCore, labels: &str, family: &Descriptor, out: &mut dyn Expose) {
        out.histogram(family, labels, &core.snapshot());
    }
}
