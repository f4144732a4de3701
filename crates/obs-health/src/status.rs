//! The status of one check: written when a run ends, read by probes.

use std::time::{Duration, Instant, SystemTime};

/// Why a check is down. A closed set, which probes may show to anyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The run took longer than its timeout.
    Timeout,
    /// The dependency refused the connection.
    Refused,
    /// The run returned another error; its text is in the log.
    Error,
    /// The run panicked.
    Panic,
    /// No run has ended for too long: the last answer counts for nothing.
    Stale,
    /// Every connection of a pool is in use, while its dependency answers.
    Exhausted,
}

impl FailureKind {
    /// Every kind, in the order of [`FailureKind::index`].
    pub(crate) const ALL: [Self; 6] =
        [Self::Timeout, Self::Refused, Self::Error, Self::Panic, Self::Stale, Self::Exhausted];

    /// `timeout`, `refused`, `error`, `panic`, `stale` or `exhausted`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Error => "error",
            Self::Panic => "panic",
            Self::Stale => "stale",
            Self::Exhausted => "exhausted",
        }
    }

    const fn index(self) -> usize {
        self as usize
    }
}

/// The outcome of one run.
#[derive(Clone, Debug)]
pub(crate) struct RunOutcome {
    pub(crate) failure: Option<FailureKind>,
    pub(crate) took: Duration,
}

/// The state of a check as probes show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pending,
    Up,
    Down(FailureKind),
    /// By configuration: it neither runs nor counts.
    Disabled,
}

#[derive(Clone, Debug)]
pub(crate) struct Status {
    /// The verdict that the thresholds have settled on.
    settled: Verdict,
    consecutive_failures: u32,
    consecutive_successes: u32,
    ended: Instant,
    pub(crate) took: Option<Duration>,
    pub(crate) last_success: Option<SystemTime>,
    pub(crate) last_failure: Option<SystemTime>,
    failures: [u64; FailureKind::ALL.len()],
}

impl Status {
    pub(crate) fn pending() -> Self {
        Self {
            settled: Verdict::Pending,
            consecutive_failures: 0,
            consecutive_successes: 0,
            ended: Instant::now(),
            took: None,
            last_success: None,
            last_failure: None,
            failures: [0; FailureKind::ALL.len()],
        }
    }

    pub(crate) fn verdict(&self, now: Instant, stale_after: Duration) -> Verdict {
        if now.saturating_duration_since(self.ended) > stale_after {
            return Verdict::Down(FailureKind::Stale);
        }
        self.settled
    }

    /// The verdict however old it is.
    pub(crate) fn settled(&self) -> Verdict {
        self.settled
    }

    /// Whether a run has ended within this time.
    pub(crate) fn is_younger_than(&self, age: Duration) -> bool {
        self.settled != Verdict::Pending && self.ended.elapsed() < age
    }

    /// Records a run; the thresholds decide whether it changes the verdict. The very first run
    /// decides alone, so that a service neither starts red nor green by default.
    pub(crate) fn record(
        &mut self,
        ran: &RunOutcome,
        failures_before_down: u32,
        successes_before_up: u32,
    ) {
        let first = self.settled == Verdict::Pending;
        self.ended = Instant::now();
        self.took = Some(ran.took);
        match ran.failure {
            None => {
                self.consecutive_failures = 0;
                self.consecutive_successes = self.consecutive_successes.saturating_add(1);
                self.last_success = Some(SystemTime::now());
                if first || self.consecutive_successes >= successes_before_up {
                    self.settled = Verdict::Up;
                }
            }
            Some(kind) => {
                self.consecutive_successes = 0;
                self.consecutive_failures = self.consecutive_failures.saturating_add(1);
                self.last_failure = Some(SystemTime::now());
                self.failures[kind.index()] += 1;
                let down = matches!(self.settled, Verdict::Down(_));
                if first || down || self.consecutive_failures >= failures_before_down {
                    self.settled = Verdict::Down(kind);
                }
            }
        }
    }

    pub(crate) fn failures(&self) -> impl Iterator<Item = (FailureKind, u64)> + '_ {
        FailureKind::ALL.into_iter().map(|kind| (kind, self.failures[kind.index()]))
    }
}
