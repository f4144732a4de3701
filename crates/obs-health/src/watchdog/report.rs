//! Logs the reports on a thread that may block: the log, or the stacks, may hang with the runtime.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use obs_guard::Place;

use crate::watchdog::threads;

pub(crate) type Stacks = Arc<dyn Fn() -> String + Send + Sync>;

const MAX_STACKS: usize = 64 * 1024;
/// Reports that wait; a log that hangs must not let them pile up.
const MAX_QUEUED_REPORTS: usize = 8;

static STACKS: Place = Place::new("health.watchdog_stacks");

pub(crate) enum Report {
    Wedged { missed: u32 },
    Recovered { missed: u32 },
    Aborting { missed: u32 },
}

pub(crate) struct Reporter {
    reports: SyncSender<(Report, Option<SyncSender<()>>)>,
}

impl Reporter {
    pub(crate) fn send(&self, report: Report) {
        let _ = self.reports.try_send((report, None));
    }

    /// Waits until this report is written, for `limit` at most.
    pub(crate) fn finish(&self, report: Report, limit: Duration) {
        let (written, done) = sync_channel(1);
        if self.reports.try_send((report, Some(written))).is_ok() {
            let _ = done.recv_timeout(limit);
        }
    }
}

pub(crate) fn start(stacks: Option<Stacks>) -> io::Result<Reporter> {
    let (reports, waiting) = sync_channel(MAX_QUEUED_REPORTS);
    let name = "obs-watchdog-report".into();
    std::thread::Builder::new().name(name).spawn(move || run(&waiting, stacks.as_ref()))?;
    Ok(Reporter { reports })
}

fn run(reports: &Receiver<(Report, Option<SyncSender<()>>)>, stacks: Option<&Stacks>) {
    for (report, written) in reports {
        log(&report, stacks);
        if let Some(written) = written {
            // A log with a writer of its own needs a moment after the last line.
            std::thread::sleep(Duration::from_millis(100));
            let _ = written.try_send(());
        }
    }
}

fn log(report: &Report, stacks: Option<&Stacks>) {
    match *report {
        Report::Wedged { missed } => {
            let threads = threads::states();
            let stacks = stacks.map(stacks_text).unwrap_or_default();
            tracing::error!(
                missed_heartbeats = missed,
                threads,
                stacks,
                "the async runtime is wedged: every worker is blocked; move blocking calls to spawn_blocking"
            );
        }
        Report::Recovered { missed } => {
            tracing::warn!(missed_heartbeats = missed, "the async runtime moves again");
        }
        Report::Aborting { missed } => tracing::error!(
            missed_heartbeats = missed,
            "the async runtime stays wedged: ending the process for its supervisor to restart it"
        ),
    }
}

/// The hook may panic, and it may return a long text.
fn stacks_text(stacks: &Stacks) -> String {
    let mut text = STACKS.call(|| stacks()).unwrap_or_else(|| "the hook panicked".into());
    text.truncate(obs_guard::truncated(&text, MAX_STACKS).len());
    text
}
