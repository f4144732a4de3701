//! Runs one check once, with a timeout and in a task of its own, so that neither a panic nor a blocked
//! thread reaches another check.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use obs_guard::Place;
use tokio::task::JoinError;

use crate::checks::PoolExhausted;
use crate::entry::Entry;
use crate::health::Health;
use crate::status::{FailureKind, RunOutcome, Verdict};

/// In bytes.
const MAX_ERROR_TEXT: usize = 1_000;
/// An error may name itself as its cause.
const MAX_CAUSES: usize = 32;

static CHECK: Place = Place::new("health.check");
/// `source` and `Drop` of a check's error; its `Display` counts under `format`.
static ERROR: Place = Place::new("health.check_error");

type BoxError = Box<dyn std::error::Error + Send + Sync>;

pub(crate) async fn run_once(entry: &Entry, health: &Health) {
    let started = Instant::now();
    let check = Arc::clone(&entry.check.run);
    let limit = entry.check.timeout;
    let mut task = tokio::spawn(async move { check(limit).await });
    let answer = tokio::time::timeout(limit, &mut task).await;
    let took = started.elapsed();
    let Ok(answer) = answer else {
        task.abort();
        // A run that blocks its thread cannot be cancelled; the next one waits until it has ended, and
        // the answer goes stale meanwhile.
        log_failure(entry, FailureKind::Timeout, "no answer in time");
        record(entry, &RunOutcome { failure: Some(FailureKind::Timeout), took });
        health.publish_state_change();
        if let Err(aborted) = task.await
            && let Ok(payload) = aborted.try_into_panic()
        {
            CHECK.caught(payload);
        }
        return;
    };
    record(entry, &RunOutcome { failure: failure(entry, answer), took });
    health.publish_state_change();
}

fn failure(entry: &Entry, answer: Result<Result<(), BoxError>, JoinError>) -> Option<FailureKind> {
    let (kind, text) = match answer {
        Ok(Ok(())) => return None,
        Ok(Err(error)) => {
            let kind = ERROR.call(|| kind_of(&*error)).unwrap_or(FailureKind::Error);
            let mut text = String::new();
            // A mark in the text shows what did not go well.
            let _marked = obs_guard::write_display(&mut text, &error, MAX_ERROR_TEXT);
            ERROR.drop(error);
            (kind, text)
        }
        Err(aborted) => {
            let mut text = String::new();
            let _marked = obs_guard::write_display(&mut text, &aborted, MAX_ERROR_TEXT);
            if let Ok(payload) = aborted.try_into_panic() {
                CHECK.caught(payload);
            }
            (FailureKind::Panic, text)
        }
    };
    log_failure(entry, kind, &text);
    Some(kind)
}

/// The text of every failure that changes something goes to the log, those in between only at debug.
fn log_failure(entry: &Entry, kind: FailureKind, error: &str) {
    let check = entry.check.name.as_str();
    if matches!(entry.verdict(), Verdict::Down(_)) {
        tracing::debug!(check, kind = kind.as_str(), error, "health check failed again");
    } else {
        tracing::warn!(check, kind = kind.as_str(), error, "health check failed");
    }
}

fn record(entry: &Entry, ran: &RunOutcome) {
    let check = &entry.check;
    entry.status().record(ran, check.failures_before_down, check.successes_before_up);
}

fn kind_of(error: &(dyn std::error::Error + 'static)) -> FailureKind {
    let mut cause = Some(error);
    for _ in 0..MAX_CAUSES {
        let Some(error) = cause else { break };
        if error.is::<PoolExhausted>() {
            return FailureKind::Exhausted;
        }
        match error.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => return FailureKind::Refused,
            Some(io::ErrorKind::TimedOut) => return FailureKind::Timeout,
            _ => cause = error.source(),
        }
    }
    FailureKind::Error
}
