//! What a shutdown did, and what it lost.

use std::fmt;
use std::time::Duration;

/// A stage of the shutdown, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Readiness says no; the listener still accepts.
    Propagation,
    /// Requests and upgraded connections under way.
    Requests,
    /// Background tasks.
    Tasks,
    /// Pools and clients.
    Resources,
    /// The reports of errors that wait.
    Errors,
    /// The spans that are buffered.
    Traces,
    /// The metrics that are pushed.
    Metrics,
    /// The admin listener.
    Admin,
    /// The log lines that are buffered.
    Logs,
}

impl Stage {
    /// The stage's name in lower case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Propagation => "propagation",
            Self::Requests => "requests",
            Self::Tasks => "tasks",
            Self::Resources => "resources",
            Self::Errors => "errors",
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Admin => "admin",
            Self::Logs => "logs",
        }
    }
}

/// A stage that sends what is buffered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FlushStage {
    /// [`Stage::Errors`].
    Errors,
    /// [`Stage::Traces`].
    Traces,
    /// [`Stage::Metrics`].
    Metrics,
    /// [`Stage::Logs`].
    Logs,
}

impl From<FlushStage> for Stage {
    fn from(stage: FlushStage) -> Self {
        match stage {
            FlushStage::Errors => Self::Errors,
            FlushStage::Traces => Self::Traces,
            FlushStage::Metrics => Self::Metrics,
            FlushStage::Logs => Self::Logs,
        }
    }
}

/// What a flush delivered and what it lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flushed {
    /// Items that arrived.
    pub delivered: u64,
    /// Items that did not, and never will.
    pub lost: u64,
}

/// One stage that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageReport {
    /// Which.
    pub stage: Stage,
    /// How long it took.
    pub took: Duration,
    /// How many requests, tasks, closers, reports, spans or lines it brought to their end.
    pub finished: u64,
    /// How many of them were aborted or lost.
    pub lost: u64,
    /// False when the stage was given up without knowing what it lost: a flush that panicked, or did
    /// not keep its deadline.
    pub complete: bool,
}

impl StageReport {
    /// A stage that had nothing to finish.
    pub(crate) fn plain(stage: Stage, took: Duration) -> Self {
        Self { stage, took, finished: 0, lost: 0, complete: true }
    }
}

/// A shutdown that is over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShutdownReport {
    /// The stages in their order.
    pub stages: Vec<StageReport>,
}

impl ShutdownReport {
    /// The report of one stage.
    pub fn stage(&self, stage: Stage) -> Option<&StageReport> {
        self.stages.iter().find(|report| report.stage == stage)
    }

    /// Whether every stage was completed and nothing was lost.
    pub fn is_clean(&self) -> bool {
        self.stages.iter().all(|report| report.complete && report.lost == 0)
    }

    /// Everything that is known to have been aborted or lost.
    pub fn lost(&self) -> u64 {
        self.stages.iter().map(|report| report.lost).sum()
    }

    /// The time of all stages together.
    pub fn took(&self) -> Duration {
        self.stages.iter().map(|report| report.took).sum()
    }
}

impl fmt::Display for ShutdownReport {
    /// `requests 12 ms (3 finished, 0 lost), traces 4 ms (80 finished, 0 lost), ...`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, report) in self.stages.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{} {} ms", report.stage.as_str(), report.took.as_millis())?;
            if report.finished + report.lost > 0 {
                write!(f, " ({} finished, {} lost)", report.finished, report.lost)?;
            }
            if !report.complete {
                f.write_str(" (given up)")?;
            }
        }
        Ok(())
    }
}
