//! From a service's name to its status.

use std::sync::Arc;

use crate::grpc::messages::{HealthCheckResponse, ServingStatus};
use crate::health::Health;
use crate::state::State;

#[derive(Clone, Debug)]
pub(crate) struct Lookup {
    pub(crate) health: Health,
    /// Names of the whole service.
    pub(crate) names: Arc<[String]>,
}

impl Lookup {
    /// `None` when nothing has this name.
    pub(crate) fn state(&self, service: &str) -> Option<State> {
        let is_whole = service.is_empty() || self.names.iter().any(|name| name == service);
        let entries = self.health.entries_of((!is_whole).then_some(service))?;
        Some(self.health.state_of_checks(&entries))
    }
}

pub(crate) fn response(state: Option<State>) -> HealthCheckResponse {
    let status = match state {
        Some(state) if state.is_ready() => ServingStatus::Serving,
        Some(_) => ServingStatus::NotServing,
        None => ServingStatus::ServiceUnknown,
    };
    HealthCheckResponse { status: status as i32 }
}
