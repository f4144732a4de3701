//! Starts the checks: those in the background run for as long as the service does, one run at a time.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::runtime::Handle;

use crate::entry::Entry;
use crate::health::Health;
use crate::{on_demand, run};

impl Health {
    /// Runs every check in the background of the current tokio runtime, each at its own interval,
    /// until the service has stopped. Calling it again starts what was added since.
    ///
    /// Outside a tokio runtime nothing is started, one log line says so, and the checks go stale:
    /// a probe never stays green by mistake.
    pub fn start(&self) {
        let Ok(runtime) = Handle::try_current() else {
            tracing::error!("health checks need a tokio runtime: call Health::start inside one");
            return;
        };
        self.set_runtime(runtime.clone());
        for entry in self.entries() {
            if entry.is_disabled() || entry.scheduled.swap(true, Ordering::AcqRel) {
                continue;
            }
            match entry.check.time_to_live {
                None => drop(runtime.spawn(run_periodically(entry, self.clone()))),
                Some(_) => drop(on_demand::start_run(&entry, self, &runtime)),
            }
        }
        self.publish_state_change();
    }
}

async fn run_periodically(entry: Arc<Entry>, health: Health) {
    // Once it drains, readiness is decided, and the pools that a check would ask are about to close.
    while !health.is_ending() && !entry.is_disabled() {
        run::run_once(&entry, &health).await;
        tokio::time::sleep(entry.check.interval).await;
    }
}
