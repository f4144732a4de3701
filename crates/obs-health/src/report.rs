//! The probes' bodies: names and a closed set of words, nothing that a stranger may not read.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::entry::Entry;
use crate::health::{Health, State};
use crate::status::Verdict;

/// A body stays under 4 KiB: past this many checks only those that are not up are listed.
const LISTED: usize = 32;
const LISTED_VERBOSE: usize = 16;

pub(crate) fn liveness(health: &Health, health_json: bool) -> (bool, Value) {
    let wedged = health.vital().is_wedged();
    let status = match (health_json, wedged) {
        (true, false) => "pass",
        (true, true) => "fail",
        (false, false) => "ok",
        (false, true) => "wedged",
    };
    (!wedged, json!({"status": status}))
}

pub(crate) fn startup(health: &Health) -> (bool, Value) {
    let started = health.is_started();
    let latches: Map<String, Value> = health
        .latches()
        .into_iter()
        .take(LISTED)
        .map(|(name, done)| (name, Value::from(if done { "done" } else { "waiting" })))
        .collect();
    (started, json!({"started": started, "latches": latches}))
}

/// One moment of a service: its state and what its checks say, seen once so that they agree.
pub(crate) struct Seen {
    state: State,
    checks: Vec<(Arc<Entry>, Verdict)>,
}

impl Seen {
    /// Of these checks alone.
    pub(crate) fn of(health: &Health, entries: Vec<Arc<Entry>>) -> Self {
        let see = |entry: Arc<Entry>| {
            let verdict = entry.verdict();
            (entry, verdict)
        };
        let checks: Vec<_> = entries.into_iter().map(see).collect();
        let state = health.state_seeing(checks.iter().map(|(entry, verdict)| (&**entry, *verdict)));
        Self { state, checks }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.state.is_ready()
    }

    /// The body of `/readyz`.
    pub(crate) fn readiness(&self, verbose: bool, health_json: bool) -> Value {
        let most = if verbose && !health_json { LISTED_VERBOSE } else { LISTED };
        let many = self.checks.len() > most;
        let listed = self.checks.iter().filter(|(_, verdict)| !many || *verdict != Verdict::Up);
        let listed = listed.take(most).map(|(entry, verdict)| (&**entry, *verdict));
        if health_json {
            return health_json_body(self.state, listed);
        }
        let checks: Map<String, Value> = listed
            .map(|(entry, verdict)| {
                let told = if verbose { detail(entry, verdict) } else { word(verdict).into() };
                (entry.check.name.clone(), told)
            })
            .collect();
        let mut body = json!({"ready": self.is_ready(), "checks": checks});
        if self.state != State::Ready && self.state != State::NotReady {
            body["state"] = Value::from(self.state.as_str());
        }
        body
    }
}

/// The plain answer of `/readyz`, rendered anew only when the state or a verdict is another one: a
/// probe is asked far more often than its answer changes.
#[derive(Default)]
pub(crate) struct PlainReadiness(Mutex<Option<(Seen, Bytes)>>);

impl PlainReadiness {
    pub(crate) fn answer(&self, health: &Health) -> (bool, Bytes) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((seen, body)) = &*kept
            && health.looks_as(seen.state, &seen.checks)
        {
            return (seen.is_ready(), body.clone());
        }
        let seen = Seen::of(health, health.entries());
        let body = Bytes::from(seen.readiness(false, false).to_string());
        let (seen, body) = kept.insert((seen, body));
        (seen.is_ready(), body.clone())
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
