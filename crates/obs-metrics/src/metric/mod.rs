//! The metric types.

mod counter;
mod gauge;
mod histogram;

use std::fmt;
use std::sync::Arc;

use crate::descriptor::{Descriptor, Kind};
use crate::expose::Expose;
use crate::family::Series;

pub use counter::Counter;
pub use gauge::{Gauge, InProgress};
pub use histogram::{Histogram, Timer};
pub(crate) use histogram::{Snapshot, rejected_observations};

/// A metric type: [`Counter`], [`Gauge`] or [`Histogram`].
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

    fn from_series(series: Arc<Series<Self::Core>>) -> Self;

    fn expose(core: &Self::Core, labels: &str, family: &Descriptor, out: &mut dyn Expose);
}
