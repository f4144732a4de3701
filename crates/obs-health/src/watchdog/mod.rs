//! The watchdog: detects a runtime that is wedged, as opposed to busy.
//!
//! A thread of its own spawns a tiny task on the runtime at every heartbeat, from outside, so that a
//! stuck timer does not matter. A runtime that answers none for [`Builder::missed`] heartbeats, while
//! none of its workers moves, is wedged: `/healthz` answers 503 until it moves again, and one log line
//! has every thread's name and state.
//!
//! It counts its own heartbeats, never the clock: a process that was stopped (SIGSTOP, a suspended
//! machine) has missed one heartbeat, however long it slept. A dependency that hangs, a pool that is
//! exhausted and tasks that wait do not hold a worker, so they are never reported. Heartbeats in which
//! the machine kept the process's threads from running, although they could have, do not count either
//! (on Linux).

mod heartbeats;
mod report;
mod threads;

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::error::{Error, Kind};
use crate::health::Health;
use heartbeats::{Heartbeats, Settings};
use report::Stacks;

/// Sets a watchdog up; [`Builder::start`] starts it.
#[must_use = "nothing is watched until `start` is called"]
pub struct Builder {
    health: Health,
    settings: Settings,
    stacks: Option<Stacks>,
}

impl Builder {
    /// A watchdog that turns the liveness of `health`: a heartbeat each second, wedged after 3.
    pub fn new(health: Health) -> Self {
        let settings = Settings { heartbeat: Duration::from_secs(1), missed: 3, abort_after: None };
        Self { health, settings, stacks: None }
    }

    /// The time between two heartbeats; at least 10 ms.
    pub fn heartbeat(mut self, heartbeat: Duration) -> Self {
        self.settings.heartbeat = heartbeat.max(Duration::from_millis(10));
        self
    }

    /// How many heartbeats in a row may go unanswered before the runtime counts as wedged; at least 1.
    pub fn missed(mut self, heartbeats: u32) -> Self {
        self.settings.missed = heartbeats.max(1);
        self
    }

    /// Asks here for the stacks of all threads when the runtime is wedged, as text of at most 64 KiB.
    /// Called on a thread of the watchdog's own, which it may block: liveness does not wait for it.
    pub fn stacks(mut self, stacks: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.stacks = Some(Arc::new(stacks));
        self
    }

    /// Ends the process (`abort`) after this many unanswered heartbeats, for supervisors that probe
    /// nothing. Off unless called. It never comes before the report.
    pub fn abort_after(mut self, heartbeats: u32) -> Self {
        self.settings.abort_after = Some(heartbeats);
        self
    }

    /// Watches the runtime that this is called in.
    ///
    /// # Errors
    ///
    /// Outside a tokio runtime, or when no thread can be started.
    pub fn start(self) -> Result<Watchdog, Error> {
        match Handle::try_current() {
            Ok(runtime) => self.start_on(runtime),
            Err(_) => Err(Error::new(Kind::Runtime { what: "the watchdog" })),
        }
    }

    /// Watches this runtime.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    pub fn start_on(self, runtime: Handle) -> Result<Watchdog, Error> {
        let failed = |source| Error::new(Kind::Thread { what: "the watchdog", source });
        let (stop, stopped) = mpsc::channel();
        let reporter = report::start(self.stacks).map_err(failed)?;
        let heartbeats = Heartbeats::new(self.health, self.settings, runtime, reporter);
        std::thread::Builder::new()
            .name("obs-watchdog".into())
            .spawn(move || heartbeats.run(&stopped))
            .map_err(failed)?;
        Ok(Watchdog { _stop: stop })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// A running watchdog. Dropping it ends it; it ends with its runtime, too.
#[derive(Debug)]
#[must_use = "the watchdog ends when this is dropped"]
pub struct Watchdog {
    _stop: mpsc::Sender<()>,
}
