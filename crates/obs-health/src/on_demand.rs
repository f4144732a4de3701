//! Checks that run when a probe asks: all who ask share one run, and its answer for a while, so that a
//! storm of probes does not become a storm of queries.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::entry::Entry;
use crate::health::Health;

/// How long past its timeout a run may go on before its check counts as stale, and whoever asked is
/// answered without it.
const OVERTIME: Duration = Duration::from_millis(250);

/// The one run of an on-demand check that may be under way.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    flying: AtomicBool,
    since: Mutex<Option<Instant>>,
    landed: watch::Sender<()>,
}

impl Flight {
    pub(crate) fn is_overdue(&self, timeout: Duration) -> bool {
        let since = *self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| since.elapsed() > timeout.saturating_add(OVERTIME))
    }

    fn set_since(&self, since: Option<Instant>) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

/// Ends the run when it is dropped: after a panic, too, and when its runtime shuts down.
struct Landing<'a>(&'a Flight);

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.0.set_since(None);
        self.0.flying.store(false, Ordering::Release);
        self.0.landed.send_replace(());
    }
}

impl Health {
    /// Brings the on-demand checks (of a group) up to date, as far as their timeouts allow.
    pub(crate) async fn refresh(&self, group: Option<&str>) {
        let Some(runtime) = self.runtime().filter(|_| !self.is_ending()) else { return };
        let asked = tokio::time::Instant::now();
        let mut flights = Vec::new();
        for entry in self.on_demand(group) {
            if let Some(landed) = take_off(&entry, self, runtime) {
                flights.push((entry.check.timeout.saturating_add(OVERTIME), landed));
            }
        }
        for (limit, mut landed) in flights {
            let left = limit.saturating_sub(asked.elapsed());
            let _ = tokio::time::timeout(left, landed.changed()).await;
        }
    }
}

/// Starts a run unless there is one, or a fresh answer; `None` when there is nothing to wait for.
pub(crate) fn take_off(
    entry: &Arc<Entry>,
    health: &Health,
    runtime: &Handle,
) -> Option<watch::Receiver<()>> {
    let time_to_live = entry.check.time_to_live.filter(|_| !entry.is_disabled())?;
    let is_fresh = || entry.status().is_younger_than(time_to_live);
    let landed = entry.flight.landed.subscribe();
    if is_fresh() {
        return None;
    }
    if entry.flight.flying.swap(true, Ordering::AcqRel) {
        return Some(landed);
    }
    // Another run may have landed between the two steps above.
    if is_fresh() {
        entry.flight.flying.store(false, Ordering::Release);
        return None;
    }
    entry.flight.set_since(Some(Instant::now()));
    let (entry, health) = (Arc::clone(entry), health.clone());
    runtime.spawn(async move {
        let _landing = Landing(&entry.flight);
        crate::schedule::run_once(&entry, &health).await;
    });
    Some(landed)
}
