//! The application's handle of a family with labels.

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use super::{Collect, Family, parse_block};
#[cfg(all(feature = "http", feature = "otlp-push"))]
use crate::descriptor::Audience;
use crate::metric::{Counter, Gauge, Histogram, Metric, Summary};
use crate::storage::{Pin, pin};

/// A family of counters, one for each set of label values.
pub type CounterVec<const N: usize> = MetricVec<Counter, N>;
/// A family of gauges, one for each set of label values.
pub type GaugeVec<const N: usize> = MetricVec<Gauge, N>;
/// A family of histograms, one for each set of label values.
pub type HistogramVec<const N: usize> = MetricVec<Histogram, N>;

/// A family of summaries, one for each set of label values.
pub type SummaryVec<const N: usize> = MetricVec<Summary, N>;

/// A metric with `N` labels: a family of series, one for each set of label values.
///
/// A clone is the same family. A series comes to be when it is first asked for; a family holds at most
/// 2,000 (see [`MetricVec::limit_series`]), past which new sets share the series
/// `otel_metric_overflow="true"`.
///
/// ```
/// let registry = obs_metrics::Registry::new();
/// let orders = registry.counter_vec("orders_total", "Orders.", ["status", "method"])?;
/// orders.with(["created", "card"]).inc();
///
/// let refused = orders.handle(["refused", "card"]);    // to keep
/// refused.inc_by(2);
/// # Ok::<(), obs_metrics::Error>(())
/// ```
pub struct MetricVec<M: Metric, const N: usize>(Arc<Family<M>>);

impl<M: Metric, const N: usize> MetricVec<M, N> {
    pub(crate) fn new(family: Arc<Family<M>>) -> Self {
        Self(family)
    }

    pub(super) fn has_names(&self, names: &[&str; N]) -> bool {
        self.0.descriptor().labels.iter().map(|name| &**name).eq(names.iter().copied())
    }

    pub(super) fn name(&self) -> &str {
        &self.0.descriptor().name
    }

    #[cfg(all(feature = "http", feature = "otlp-push"))]
    pub(crate) fn restrict_to(&self, audience: Audience) {
        self.0.descriptor().restrict_to(audience);
    }

    /// The series of these values, in the order of the label names: one hash, no lock and no
    /// allocation where it exists already.
    ///
    /// For use on the spot (`orders.with(["created", "card"]).inc()`): the answer stays on its thread
    /// and delays the freeing of removed series while it lives. [`MetricVec::handle`] gives one to
    /// keep.
    #[inline]
    pub fn with(&self, values: [&str; N]) -> Child<'_, M> {
        let pin = pin();
        let metric = self.0.find_or_create(&values, &pin);
        Child { metric, _pin: pin, family: PhantomData }
    }

    /// The series of these values, to keep: for a loop, a struct, another thread.
    ///
    /// When the series is removed, the handle stays safe to use, and what it counts is shown no more.
    pub fn handle(&self, values: [&str; N]) -> M {
        self.0.handle(&values)
    }

    /// Removes the series of these values, and tells whether there was one. The next use makes a new
    /// one, from zero.
    pub fn remove(&self, values: [&str; N]) -> bool {
        self.0.remove(&values)
    }

    /// Removes every series whose label values `keep` refuses, and tells how many.
    ///
    /// No lock is held while `keep` runs: it may use the family.
    pub fn retain(&self, mut keep: impl FnMut([&str; N]) -> bool) -> usize {
        self.0.retain(|labels| {
            let pairs = parse_block(labels.block());
            let mut values = [""; N];
            for (value, (_, parsed)) in values.iter_mut().zip(&pairs) {
                *value = parsed;
            }
            keep(values)
        })
    }

    /// Sets how many series the family may hold, and gives the family back.
    ///
    /// The sets past it, and those whose values have more than 4 KiB in all, share one series, `otel_metric_overflow="true"`, and are counted in
    /// `obs_metrics_overflow_total`.
    pub fn limit_series(self, most: usize) -> Self {
        self.0.set_limit(most);
        self
    }
}

impl<M: Metric, const N: usize> MetricVec<M, N> {
    /// From now on, a scrape removes every series whose number has not changed for this long and of
    /// which nobody holds a [`MetricVec::handle`], and gives the family back. The next use makes a new
    /// series, from zero.
    pub fn expire_after(self, idle: Duration) -> Self {
        self.0.expire_after(idle);
        self
    }
}

impl<M: Metric, const N: usize> Clone for MetricVec<M, N> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<M: Metric, const N: usize> fmt::Debug for MetricVec<M, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MetricVec").field(&self.0).finish()
    }
}

/// One series of a family, to use on the spot: made by [`MetricVec::with`].
///
/// It is the metric itself, by `Deref`; its `clone()` is a handle to keep.
#[derive(Debug)]
pub struct Child<'a, M: Metric> {
    metric: ManuallyDrop<M>,
    _pin: Pin,
    family: PhantomData<&'a ()>,
}

impl<M: Metric> Deref for Child<'_, M> {
    type Target = M;

    #[inline]
    fn deref(&self) -> &M {
        &self.metric
    }
}
