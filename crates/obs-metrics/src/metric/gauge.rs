//! Gauges.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::metric_type::{RECORDS, Sealed};
use crate::descriptor::Descriptor;
use crate::expose::Expose;
use crate::family::Series;
use crate::kind::Kind;

/// A number that goes up and down: requests in progress, queue depth, temperature.
///
/// It is a float, as Prometheus has it; whole numbers are exact up to 2^53. A clone is the same gauge.
///
/// ```
/// let registry = obs_metrics::Registry::new();
/// let depth = registry.gauge("queue_depth", "Jobs that wait.")?;
/// depth.set(7.0);
/// depth.dec();
/// {
///     let _running = depth.track();       // one more until the guard is dropped, also by a panic
///     assert_eq!(depth.value(), 7.0);
/// }
/// assert_eq!(depth.value(), 6.0);
/// # Ok::<(), obs_metrics::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Gauge(Arc<Series<GaugeCore>>);

impl Gauge {
    /// Makes it this number.
    #[inline]
    pub fn set(&self, value: f64) {
        if RECORDS {
            self.bits().store(value.to_bits(), Relaxed);
        }
    }

    /// Makes it the time now, in seconds since the epoch: the last success of a job, say.
    pub fn set_to_current_time(&self) {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        self.set(since.unwrap_or_default().as_secs_f64());
    }

    /// Adds one.
    #[inline]
    pub fn inc(&self) {
        self.add(1.0);
    }

    /// Takes one away.
    #[inline]
    pub fn dec(&self) {
        self.add(-1.0);
    }

    /// Adds `amount`, which may be negative.
    #[inline]
    pub fn add(&self, amount: f64) {
        if !RECORDS {
            return;
        }
        let bits = self.bits();
        let mut old = bits.load(Relaxed);
        loop {
            let new = (f64::from_bits(old) + amount).to_bits();
            match bits.compare_exchange_weak(old, new, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(now) => old = now,
            }
        }
    }

    /// Takes `amount` away.
    #[inline]
    pub fn sub(&self, amount: f64) {
        self.add(-amount);
    }

    /// Adds one until the guard is dropped.
    pub fn track(&self) -> InProgress {
        self.inc();
        InProgress(self.clone())
    }

    /// The number now.
    pub fn value(&self) -> f64 {
        f64::from_bits(self.bits().load(Relaxed))
    }

    #[inline]
    fn bits(&self) -> &AtomicU64 {
        &self.0.core().0
    }
}

/// One thing in progress: made by [`Gauge::track`].
#[derive(Debug)]
#[must_use = "the thing is in progress only as long as this guard lives"]
pub struct InProgress(Gauge);

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[derive(Debug)]
pub(crate) struct GaugeCore(AtomicU64);

impl Sealed for Gauge {
    type Core = GaugeCore;
    type Settings = ();

    const KIND: Kind = Kind::Gauge;

    fn core((): &()) -> GaugeCore {
        GaugeCore(AtomicU64::new(0.0_f64.to_bits()))
    }

    fn from_series(series: Arc<Series<GaugeCore>>) -> Self {
        Self(series)
    }

    fn fingerprint(core: &GaugeCore) -> u64 {
        core.0.load(Relaxed)
    }

    fn expose(core: &GaugeCore, labels: &str, family: &Descriptor, out: &mut dyn Expose) {
        out.gauge(family, labels, f64::from_bits(core.0.load(Relaxed)));
    }
}
