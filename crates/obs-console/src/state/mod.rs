//! The stored data, in memory only, each part within its limits.

mod counters;
mod health;
mod limits;
mod own;
mod recent;
mod series;
mod services;
mod traces;

pub(crate) use counters::Counters;
pub(crate) use health::HealthLog;
pub use health::{HealthAt, HealthChange};
pub use limits::Limits;
pub(crate) use own::{REQUEST_ID_PREFIX as OWN_REQUEST_ID_PREFIX, SelfTraffic};
pub(crate) use recent::Recent;
pub use series::Change;
pub(crate) use series::{Metrics, label_map};
pub(crate) use services::Services;
pub(crate) use traces::{Trace, Traces};

use crate::model::{ErrorEvent, LogLine};

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) traces: Traces,
    pub(crate) logs: Recent<LogLine>,
    pub(crate) errors: Recent<ErrorEvent>,
    pub(crate) metrics: Metrics,
    pub(crate) health: HealthLog,
    pub(crate) services: Services,
    pub(crate) counters: Counters,
}
