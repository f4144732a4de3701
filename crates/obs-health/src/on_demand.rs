//! On-demand checks: a probe starts a run, all probes share it, and its result is kept for the check's
//! time to live, so that a storm of probes does not become a storm of queries.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::entry::Entry;
use crate::health::Health;
use crate::run;
use crate::shared_run::{RUN_GRACE, RunGuard};

impl Health {
    /// Brings the on-demand checks (of a group) up to date, as far as their timeouts allow.
    pub(crate) async fn refresh(&self, group: Option<&str>) {
        let Some(runtime) = self.runtime().filter(|_| !self.is_ending()) else { return };
        let started = tokio::time::Instant::now();
        let mut runs = Vec::new();
        for entry in self.on_demand(group) {
            if let Some(finished) = start_run(&entry, self, runtime) {
                runs.push((entry.check.timeout.saturating_add(RUN_GRACE), finished));
            }
        }
        for (limit, mut finished) in runs {
            let left = limit.saturating_sub(started.elapsed());
            let _ = tokio::time::timeout(left, finished.changed()).await;
        }
    }
}

/// Starts a run unless one is in progress or the last result is fresh; `None` when there is nothing to
/// wait for.
pub(crate) fn start_run(
    entry: &Arc<Entry>,
    health: &Health,
    runtime: &Handle,
) -> Option<watch::Receiver<()>> {
    let time_to_live = entry.check.time_to_live.filter(|_| !entry.is_disabled())?;
    let is_fresh = || entry.status().is_younger_than(time_to_live);
    let finished = entry.shared_run.finished();
    if is_fresh() {
        return None;
    }
    if !entry.shared_run.try_begin() {
        return Some(finished);
    }
    // Another run may have ended between the two steps above.
    if is_fresh() {
        entry.shared_run.cancel();
        return None;
    }
    entry.shared_run.start_timer();
    let (entry, health) = (Arc::clone(entry), health.clone());
    runtime.spawn(async move {
        let _guard = RunGuard(&entry.shared_run);
        run::run_once(&entry, &health).await;
    });
    Some(finished)
}
