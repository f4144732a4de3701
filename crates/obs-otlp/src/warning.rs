//! The warning that telemetry is not delivered.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::signal::Signal;

const WARNING_INTERVAL: Duration = Duration::from_secs(30);

/// Texts that are remembered as reported.
const MAX_REPORTED_TEXTS: usize = 64;

/// A rate-limited warning.
#[derive(Debug)]
pub struct Warning {
    signal: Signal,
    endpoint: String,
    last: Option<Instant>,
}

impl Warning {
    /// For this signal's export to this endpoint.
    pub fn new(signal: Signal, endpoint: impl Into<String>) -> Self {
        Self { signal, endpoint: endpoint.into(), last: None }
    }

    /// Logs the reason, how many items were lost just now, and how many in all; at most once in 30 s.
    pub fn report(&mut self, reason: &str, lost_now: u64, lost: u64) {
        if self.last.is_some_and(|last| last.elapsed() < WARNING_INTERVAL) {
            return;
        }
        self.last = Some(Instant::now());
        let signal = self.signal.items();
        tracing::warn!(
            target: "obs_otlp",
            signal,
            endpoint = self.endpoint,
            reason,
            lost_now,
            lost,
            "telemetry is not delivered: check that the collector runs at this endpoint and takes this signal"
        );
    }
}

/// Logs why a variable was ignored, once per process and text.
pub fn warn_of_ignored(ignored: &[String]) {
    static REPORTED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    for text in ignored {
        let mut reported = REPORTED.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.len() < MAX_REPORTED_TEXTS && reported.insert(text.clone()) {
            drop(reported);
            tracing::warn!(target: "obs_otlp", "{text}");
        }
    }
}
