//! Samples a process, view by view.

use std::time::{Duration, Instant};

use obs_profiling::Recorder;

use crate::top::status::Status;
use crate::top::tally::Tally;
use crate::top::threads::Threads;

/// Samples, and sums them up whenever a view is due.
pub(crate) struct Source {
    recorder: Recorder,
    threads: Threads,
    delay: Duration,
    due: Instant,
    pub(crate) status: Status,
}

impl Source {
    pub(super) fn attach(
        pid: i32,
        rate: u32,
        delay: Duration,
    ) -> Result<Self, obs_profiling::Error> {
        let program = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        Ok(Self {
            recorder: Recorder::attach(pid, rate)?,
            threads: Threads::of(pid),
            delay,
            due: Instant::now() + delay,
            status: Status {
                pid,
                program: program.trim_end().replace(char::is_control, "?"),
                rate,
                tally: Tally::default(),
                threads: Vec::new(),
            },
        })
    }

    /// Takes samples for at most this time.
    pub(super) fn poll(&mut self, timeout: Duration) -> Update {
        let left = self.due.saturating_duration_since(Instant::now());
        let goes_on = self.recorder.poll(timeout.min(left));
        if !goes_on || Instant::now() >= self.due {
            self.due = Instant::now() + self.delay;
            self.status.tally.add(&self.recorder.take());
            self.status.threads = self.threads.read();
            return if goes_on { Update::View } else { Update::End };
        }
        Update::None
    }
}

/// The result of [`Source::poll`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Update {
    None,
    /// The status is a new one.
    View,
    /// The process has ended; the status is its last.
    End,
}
