//! The heartbeats: one ping at a time, and what a missing answer means.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::health::Health;
use crate::watchdog::report::{Report, Reporter};
use crate::watchdog::threads;

/// How long the last report may take before the process is ended.
const LAST_REPORT_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) heartbeat: Duration,
    pub(crate) missed: u32,
    pub(crate) abort_after: Option<u32>,
}

pub(crate) struct Heartbeats {
    health: Health,
    settings: Settings,
    runtime: Handle,
    reporter: Reporter,
    /// Heartbeats in a row without an answer and without a movement.
    missed: u32,
    /// The CPU time of the threads at the last missed heartbeat.
    cpu_time: Option<Duration>,
    wedged: bool,
}

impl Heartbeats {
    pub(crate) fn new(
        health: Health,
        settings: Settings,
        runtime: Handle,
        reporter: Reporter,
    ) -> Self {
        Self { health, settings, runtime, reporter, missed: 0, cpu_time: None, wedged: false }
    }

    /// Until the watchdog or its runtime is dropped.
    pub(crate) fn run(mut self, stopped: &Receiver<()>) {
        let mut ping = self.ping();
        let mut moved = self.movement();
        while stopped.recv_timeout(self.settings.heartbeat) == Err(RecvTimeoutError::Timeout) {
            self.health.heartbeat().count_beat();
            match ping.load(Ordering::Acquire) {
                GONE => break,
                ANSWERED => {
                    self.on_answered();
                    ping = self.ping();
                }
                _ if self.movement() != moved => self.on_answered(),
                _ => self.on_missed(),
            }
            moved = self.movement();
        }
        self.health.heartbeat().set_wedged(false);
    }

    /// Spawned from outside the runtime: a wedged one keeps it in its queue, so there is never more
    /// than one.
    fn ping(&self) -> Arc<AtomicU8> {
        let state = Arc::new(AtomicU8::new(WAITING));
        let ping = Ping { state: Arc::clone(&state), outcome: GONE };
        self.runtime.spawn(async move { ping.answer() });
        state
    }

    /// Changes whenever a worker parks, unparks or goes around its loop often enough: a worker whose
    /// tasks are long and many may come to the ping late.
    fn movement(&self) -> (u64, Duration) {
        let metrics = self.runtime.metrics();
        let workers = 0..metrics.num_workers();
        let parks = workers.clone().map(|worker| metrics.worker_park_unpark_count(worker)).sum();
        (parks, workers.map(|worker| metrics.worker_total_busy_duration(worker)).sum())
    }

    fn on_answered(&mut self) {
        if std::mem::take(&mut self.wedged) {
            self.health.heartbeat().set_wedged(false);
            self.reporter.send(Report::Recovered { missed: self.missed });
            self.health.publish_state_change();
        }
        self.missed = 0;
        self.cpu_time = None;
    }

    /// Whether threads want to run and the machine does not let them: since the last missed heartbeat
    /// they had less than half a processor. A runtime that is wedged sleeps, or has what it burns.
    fn is_starved(&mut self) -> bool {
        let Some(load) = threads::load() else { return false };
        let before = self.cpu_time.replace(load.cpu_time);
        let Some(cpu_time) = before.map(|before| load.cpu_time.saturating_sub(before)) else {
            return false;
        };
        load.is_runnable && cpu_time < self.settings.heartbeat / 2
    }

    fn on_missed(&mut self) {
        if self.is_starved() {
            return;
        }
        self.missed = self.missed.saturating_add(1);
        if self.missed >= self.settings.missed && !self.wedged {
            self.wedged = true;
            // The probe first: whatever the report needs may hang like the runtime does.
            self.health.heartbeat().set_wedged(true);
            self.reporter.send(Report::Wedged { missed: self.missed });
        }
        let end = self.settings.abort_after;
        if self.wedged && end.is_some_and(|end| self.missed >= end) {
            self.reporter.finish(Report::Aborting { missed: self.missed }, LAST_REPORT_TIMEOUT);
            std::process::abort();
        }
    }
}

const WAITING: u8 = 0;
const ANSWERED: u8 = 1;
/// Dropped without being run: the runtime has shut down.
const GONE: u8 = 2;

struct Ping {
    state: Arc<AtomicU8>,
    outcome: u8,
}

impl Ping {
    fn answer(mut self) {
        self.outcome = ANSWERED;
    }
}

impl Drop for Ping {
    fn drop(&mut self) {
        self.state.store(self.outcome, Ordering::Release);
    }
}
