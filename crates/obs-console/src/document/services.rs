//! The list of services.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::summary::milliseconds;
use crate::state::State;

/// One service.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServiceState {
    /// Its name.
    pub name: Arc<str>,
    /// Its instances that told something, by their `service.instance.id`.
    pub instances: Vec<InstanceState>,
    /// Whether its readiness probe answered 200 when it was last asked; `None` where nobody asks.
    pub ready: Option<bool>,
    /// Whether its liveness probe did.
    pub live: Option<bool>,
    /// The `checks` of the readiness probe's body.
    pub checks: Value,
    /// Where its admin server is, where the console was told.
    pub admin: Option<String>,
    /// Server spans that came of it.
    pub requests: u64,
    /// Those of them that failed.
    pub errors: u64,
    /// When something of it arrived last, in milliseconds of Unix time; 0 where nothing did.
    pub last_seen_unix_ms: f64,
}

/// One instance of a service.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InstanceState {
    /// Its `service.instance.id`.
    pub id: Arc<str>,
    /// When something of it arrived last, in milliseconds of Unix time.
    pub last_seen_unix_ms: f64,
}

/// All services by name: those that told something and those whose metrics or probes are looked at.
pub(crate) fn services(state: &State) -> Vec<ServiceState> {
    let told = state.services.iter().map(|(name, _)| name);
    let looked_at = state.metrics.services().chain(state.health.services());
    let names: BTreeSet<&Arc<str>> = told.chain(looked_at).collect();
    names.into_iter().map(|name| service(state, name)).collect()
}

fn service(state: &State, name: &Arc<str>) -> ServiceState {
    let known = state.services.find(name);
    let health = state.health.latest(name);
    let instances = known.into_iter().flat_map(|known| &known.instances);
    ServiceState {
        name: Arc::clone(name),
        instances: instances
            .map(|(id, last)| InstanceState {
                id: Arc::clone(id),
                last_seen_unix_ms: milliseconds(*last),
            })
            .collect(),
        ready: health.as_ref().map(|health| health.ready),
        live: health.as_ref().map(|health| health.live),
        checks: health.map(|health| health.checks).unwrap_or_default(),
        admin: None,
        requests: known.map_or(0, |known| known.requests),
        errors: known.map_or(0, |known| known.errors),
        last_seen_unix_ms: milliseconds(known.map_or(0, |known| known.last_seen)),
    }
}
