//! The one line that says that telemetry does not arrive.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::signal::Signal;

const BETWEEN_WARNINGS: Duration = Duration::from_secs(30);

/// Texts that are remembered as said.
const MOST_TEXTS: usize = 64;

/// A warning now and then, however often there is a reason.
#[derive(Debug)]
pub struct Warning {
    signal: Signal,
    endpoint: String,
    last: Option<Instant>,
}

impl Warning {
    /// Of this signal's export to there.
    pub fn new(signal: Signal, endpoint: impl Into<String>) -> Self {
        Self { signal, endpoint: endpoint.into(), last: None }
    }

    /// Says why, how many items were lost just now, and how many in all; at most every 30 s.
    pub fn tell(&mut self, reason: &str, lost_now: u64, lost: u64) {
        if self.last.is_some_and(|last| last.elapsed() < BETWEEN_WARNINGS) {
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

/// Says of each variable that was left out why, once in a process.
pub fn warn_of_ignored(ignored: &[String]) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    for text in ignored {
        let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() < MOST_TEXTS && said.insert(text.clone()) {
            drop(said);
            tracing::warn!(target: "obs_otlp", "{text}");
        }
    }
}
