//! The probes' bodies: names and a closed set of words, nothing that a stranger may not read.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::entry::Entry;
use crate::health::Health;
use crate::snapshot::Snapshot;
use crate::state::State;
use crate::status::Verdict;

/// A body stays under 4 KiB: past this many checks only those that are not up are listed.
const MAX_LISTED: usize = 32;
const MAX_LISTED_VERBOSE: usize = 16;

pub(crate) fn liveness(health: &Health, health_json: bool) -> (bool, Value) {
    let heartbeat = health.heartbeat();
    let failure = match (heartbeat.is_wedged(), heartbeat.dead_tasks()) {
        (true, _) => Some("wedged"),
        (false, 1..) => Some("task_panicked"),
        (false, 0) => None,
    };
    let status = match (health_json, failure) {
        (true, None) => "pass",
        (true, Some(_)) => "fail",
        (false, None) => "ok",
        (false, Some(failure)) => failure,
    };
    (failure.is_none(), json!({"status": status}))
}

pub(crate) fn startup(health: &Health) -> (bool, Value) {
    let started = health.is_started();
    let latches: Map<String, Value> = health
        .latches()
        .into_iter()
        .take(MAX_LISTED)
        .map(|(name, done)| (name, Value::from(if done { "done" } else { "waiting" })))
        .collect();
    (started, json!({"started": started, "latches": latches}))
}

impl Snapshot {
    pub(crate) fn is_ready(&self) -> bool {
        self.state.is_ready()
    }

    /// The body of `/readyz`.
    pub(crate) fn readiness(&self, verbose: bool, health_json: bool) -> Value {
        let limit = if verbose && !health_json { MAX_LISTED_VERBOSE } else { MAX_LISTED };
        let is_cut = self.checks.len() > limit;
        let listed = self.checks.iter().filter(|(_, verdict)| !is_cut || *verdict != Verdict::Up);
        let listed = listed.take(limit).map(|(entry, verdict)| (&**entry, *verdict));
        if health_json {
            return health_json_body(self.state, listed);
        }
        let checks: Map<String, Value> = listed
            .map(|(entry, verdict)| {
                let value = if verbose { detail(entry, verdict) } else { word(verdict).into() };
                (entry.check.name.clone(), value)
            })
            .collect();
        let mut body = json!({"ready": self.is_ready(), "checks": checks});
        if self.state != State::Ready && self.state != State::NotReady {
            body["state"] = Value::from(self.state.as_str());
        }
        body
    }
}

impl Health {
    /// The plain answer of `/readyz`. It is rendered again only after the state or a verdict has
    /// changed: probes are far more frequent than changes.
    pub(crate) fn plain_readiness(&self) -> (bool, Bytes) {
        let mut cache = self.readiness_cache();
        if let Some((snapshot, body)) = &*cache
            && self.is_unchanged(snapshot)
        {
            return (snapshot.is_ready(), body.clone());
        }
        let snapshot = self.snapshot(self.entries());
        let body = Bytes::from(snapshot.readiness(false, false).to_string());
        let (snapshot, body) = cache.insert((snapshot, body));
        (snapshot.is_ready(), body.clone())
    }
}

/// draft-inadarei-api-health-check-06, section 3.
fn health_json_body<'a>(state: State, listed: impl Iterator<Item = (&'a Entry, Verdict)>) -> Value {
    let status = match state {
        State::Ready => "pass",
        State::Degraded => "warn",
        _ => "fail",
    };
    let checks: Map<String, Value> = listed
        .map(|(entry, verdict)| {
            let passes = matches!(verdict, Verdict::Up | Verdict::Disabled);
            let status = if passes { "pass" } else { "fail" };
            (entry.check.name.clone(), json!([{"status": status, "output": word(verdict)}]))
        })
        .collect();
    json!({"status": status, "checks": checks})
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pending => "pending",
        Verdict::Up => "ok",
        Verdict::Down(kind) => kind.as_str(),
        Verdict::Disabled => "disabled",
    }
}

fn detail(entry: &Entry, verdict: Verdict) -> Value {
    let status = entry.status();
    json!({
        "status": word(verdict),
        "critical": entry.check.critical,
        "duration_ms": status.took.as_ref().map(|took| (took.as_secs_f64() * 1e6).round() / 1e3),
        "last_success": status.last_success.map(unix_seconds),
        "last_failure": status.last_failure.map(unix_seconds),
    })
}

fn unix_seconds(time: SystemTime) -> f64 {
    let since: Duration = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs_f64() * 1e3).round() / 1e3
}
