//! The interface of a sink.

use crate::report::Report;

/// Takes reports: to a receiver, to the logs, to a place of one's own. A function of a report is one.
///
/// It is called on a thread of its own, one report at a time, and may take its time: meanwhile up to 256
/// wait, and further ones are counted as lost. A panic costs that report.
pub trait Sink: Send + 'static {
    /// Sends one report.
    fn send(&mut self, report: &Report) -> Outcome;
}

impl<F: FnMut(&Report) -> Outcome + Send + 'static> Sink for F {
    fn send(&mut self, report: &Report) -> Outcome {
        self(report)
    }
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it.
    Delivered,
    /// It is lost, and counted by why.
    Lost(Loss),
}

/// Why a report is lost: the label `reason` of `obs_errors_dropped_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loss {
    /// Too many waited already.
    QueueFull,
    /// The receiver wants no more for a while (429).
    RateLimited,
    /// The receiver finds it too large (413).
    TooLarge,
    /// The receiver refused it: a wrong key, a wrong project, a malformed report.
    Refused,
    /// There was no answer, or the connection failed.
    Unreachable,
    /// The application's own code did not want it, or the sink failed.
    Discarded,
    /// The process was about to end.
    Closed,
    /// It happened in a forked child, which has no worker.
    Forked,
}

impl Loss {
    pub(crate) const ALL: [Self; 8] = [
        Self::QueueFull,
        Self::RateLimited,
        Self::TooLarge,
        Self::Refused,
        Self::Unreachable,
        Self::Discarded,
        Self::Closed,
        Self::Forked,
    ];

    /// A word for a label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::RateLimited => "rate_limited",
            Self::TooLarge => "too_large",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Discarded => "discarded",
            Self::Closed => "closed",
            Self::Forked => "forked",
        }
    }
}
