//! The metric types.

mod counter;
mod gauge;
mod histogram;
mod info;
mod metric_type;
pub(crate) mod native;
pub(crate) mod snapshot;
mod summary;
mod work;

pub use counter::Counter;
pub use gauge::{Gauge, InProgress};
pub(crate) use histogram::rejected_observations;
pub use histogram::{Histogram, Timer};
pub(crate) use info::Info;
pub use info::StateSet;
pub use metric_type::Metric;
pub(crate) use metric_type::{RECORDS, Sealed};
pub use summary::Summary;
