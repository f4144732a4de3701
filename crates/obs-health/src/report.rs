//! The probes' bodies: names and a closed set of words, nothing that a stranger may not read.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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

/// Of these checks alone.
pub(crate) fn readiness(
    health: &Health,
    entries: &[Arc<Entry>],
    verbose: bool,
    health_json: bool,
) -> (bool, Value) {
    let state = health.state_with(entries);
    let most = if verbose && !health_json { LISTED_VERBOSE } else { LISTED };
    let many = entries.len() > most;
    let listed = entries.iter().filter(|entry| !many || entry.verdict() != Verdict::Up).take(most);
    let body = match health_json {
        true => health_json_body(state, listed.map(|entry| &**entry)),
        false => {
            let checks: Map<String, Value> = listed
                .map(|entry| {
                    let told = if verbose { detail(entry) } else { Value::from(word(entry)) };
                    (entry.check.name.clone(), told)
                })
                .collect();
            let mut body = json!({"ready": state.is_ready(), "checks": checks});
            if state != State::Ready && state != State::NotReady {
                body["state"] = Value::from(state.as_str());
            }
            body
        }
    };
    (state.is_ready(), body)
}

/// draft-inadarei-api-health-check-06, section 3.
fn health_json_body<'a>(state: State, listed: impl Iterator<Item = &'a Entry>) -> Value {
    let status = match state {
        State::Ready => "pass",
        State::Degraded => "warn",
        _ => "fail",
    };
    let checks: Map<String, Value> = listed
        .map(|entry| {
            let passes = matches!(entry.verdict(), Verdict::Up | Verdict::Disabled);
            let status = if passes { "pass" } else { "fail" };
            (entry.check.name.clone(), json!([{"status": status, "output": word(entry)}]))
        })
        .collect();
    json!({"status": status, "checks": checks})
}

fn word(entry: &Entry) -> &'static str {
    match entry.verdict() {
        Verdict::Pending => "pending",
        Verdict::Up => "ok",
        Verdict::Down(kind) => kind.as_str(),
        Verdict::Disabled => "disabled",
    }
}

fn detail(entry: &Entry) -> Value {
    let word = word(entry);
    let status = entry.status();
    json!({
        "status": word,
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
