//! The default registry, and metrics as module-level singletons.

use std::panic::Location;
use std::sync::{Arc, OnceLock};

use crate::buckets::{Bounds, Buckets};
use crate::descriptor::Descriptor;
use crate::error::Error;
use crate::failures::count_failure;
use crate::family::{CounterVec, Family, GaugeVec, HistogramVec, MetricVec, single};
use crate::metric::{Counter, Gauge, Histogram, Sealed};
use crate::registry::Registry;

static DEFAULT_REGISTRY: OnceLock<Registry> = OnceLock::new();

/// The registry that [`counter`] and its like register in: one a process.
pub fn default_registry() -> &'static Registry {
    DEFAULT_REGISTRY.get_or_init(Registry::new)
}

/// Makes this registry the default one.
pub(crate) fn install(registry: Registry) -> Result<&'static Registry, Error> {
    let mut registry = Some(registry);
    let default = DEFAULT_REGISTRY.get_or_init(|| registry.take().unwrap_or_default());
    match registry {
        None => Ok(default),
        Some(_) => Err(Error::conflict(
            "the default registry is in use already: install another one first thing in `main`, before \
             any metric is touched",
        )),
    }
}

/// A counter of the default registry, for a `static`.
///
/// This function and its like do not fail: a definition that is refused is logged as an error and
/// counted in `obs_metrics_registrations_failed_total`, and the metric works but is not shown.
/// [`Registry::counter`] and its like return the error instead.
///
/// ```
/// use std::sync::LazyLock;
/// use obs_metrics::Counter;
///
/// static ORDERS: LazyLock<Counter> =
///     LazyLock::new(|| obs_metrics::counter("orders_total", "Orders accepted."));
///
/// ORDERS.inc();
/// assert!(obs_metrics::default_registry().encode_text().contains("orders_total 1\n"));
/// ```
#[track_caller]
pub fn counter(name: &str, help: &str) -> Counter {
    let registered = default_registry().counter(name, help);
    registered.unwrap_or_else(|error| single(&fallback(name, &[], (), &error)))
}

/// A family of counters of the default registry; fails as [`counter`] does.
#[track_caller]
pub fn counter_vec<const N: usize>(name: &str, help: &str, labels: [&str; N]) -> CounterVec<N> {
    let registered = default_registry().counter_vec(name, help, labels);
    registered.unwrap_or_else(|error| MetricVec::new(fallback(name, &labels, (), &error)))
}

/// A gauge of the default registry; fails as [`counter`] does.
#[track_caller]
pub fn gauge(name: &str, help: &str) -> Gauge {
    let registered = default_registry().gauge(name, help);
    registered.unwrap_or_else(|error| single(&fallback(name, &[], (), &error)))
}

/// A family of gauges of the default registry; fails as [`counter`] does.
#[track_caller]
pub fn gauge_vec<const N: usize>(name: &str, help: &str, labels: [&str; N]) -> GaugeVec<N> {
    let registered = default_registry().gauge_vec(name, help, labels);
    registered.unwrap_or_else(|error| MetricVec::new(fallback(name, &labels, (), &error)))
}

/// A histogram of the default registry; fails as [`counter`] does.
#[track_caller]
pub fn histogram(name: &str, help: &str, buckets: Buckets) -> Histogram {
    let registered = default_registry().histogram(name, help, buckets);
    let bounds = || Bounds::new(Buckets::default());
    registered.unwrap_or_else(|error| single(&fallback(name, &[], bounds(), &error)))
}

/// A family of histograms of the default registry; fails as [`counter`] does.
#[track_caller]
pub fn histogram_vec<const N: usize>(
    name: &str,
    help: &str,
    labels: [&str; N],
    buckets: Buckets,
) -> HistogramVec<N> {
    let registered = default_registry().histogram_vec(name, help, labels, buckets);
    let bounds = || Bounds::new(Buckets::default());
    registered.unwrap_or_else(|error| MetricVec::new(fallback(name, &labels, bounds(), &error)))
}

fn fallback<M: Sealed>(
    name: &str,
    labels: &[&str],
    settings: M::Settings,
    error: &Error,
) -> Arc<Family<M>> {
    count_failure();
    tracing::error!(metric = name, %error, "the metric is not registered, and will not be shown");
    unregistered(name, labels, settings)
}

/// A family of no registry: it counts, and is never shown.
#[track_caller]
fn unregistered<M: Sealed>(name: &str, labels: &[&str], settings: M::Settings) -> Arc<Family<M>> {
    let location = Location::caller();
    let descriptor = Descriptor::unchecked(name, M::KIND, "", labels, String::new(), location);
    Arc::new(Family::new(descriptor, settings, false, Arc::default()))
}
