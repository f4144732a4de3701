//! What every metric type implements.

use std::fmt;
use std::sync::Arc;

use crate::descriptor::Descriptor;
use crate::expose::Expose;
use crate::family::Series;
use crate::kind::Kind;

/// Whether numbers are kept: a constant, so that the operations are empty where they are not.
pub(crate) const RECORDS: bool = cfg!(feature = "record");

/// A metric type: [`Counter`](crate::Counter), [`Gauge`](crate::Gauge),
/// [`Histogram`](crate::Histogram), [`Summary`](crate::Summary) or [`StateSet`](crate::StateSet).
#[allow(private_bounds, reason = "sealed: the families need to know every type")]
pub trait Metric: Sealed {}

impl<M: Sealed> Metric for M {}

/// What the families need to know of a metric type.
pub(crate) trait Sealed: Clone + fmt::Debug + Send + Sync + 'static {
    /// What one series holds.
    type Core: Send + Sync + fmt::Debug + 'static;
    /// What all series of a family have in common.
    type Settings: Clone + Send + Sync + fmt::Debug + 'static;

    const KIND: Kind;

    fn core(settings: &Self::Settings) -> Self::Core;

    /// A handle that keeps the `Arc` for as long as it lives: lookups hand out handles that own no count.
    fn from_series(series: Arc<Series<Self::Core>>) -> Self;

    /// A number that changes when the series is used.
    fn fingerprint(core: &Self::Core) -> u64;

    fn expose(core: &Self::Core, labels: &str, family: &Descriptor, out: &mut dyn Expose);
}
