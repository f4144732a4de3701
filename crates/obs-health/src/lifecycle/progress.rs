//! The progress of a shutdown, to report one that hangs.

use std::sync::{Mutex, PoisonError};

use crate::lifecycle::report::{ShutdownReport, Stage, StageReport};

#[derive(Debug, Default)]
pub(crate) struct Progress {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    report: ShutdownReport,
    under_way: Option<Stage>,
    is_over: bool,
}

impl Progress {
    pub(crate) fn begin(&self, stage: Stage) {
        self.with(|inner| inner.under_way = Some(stage));
    }

    pub(crate) fn end(&self, report: StageReport) {
        self.with(|inner| inner.report.stages.push(report));
    }

    pub(crate) fn finish(&self) {
        self.with(|inner| inner.is_over = true);
    }

    pub(crate) fn report(&self) -> ShutdownReport {
        self.with(|inner| inner.report.clone())
    }

    /// The stage that is under way, unless the shutdown is over, and those that have ended.
    pub(crate) fn current(&self) -> (Option<&'static str>, ShutdownReport) {
        self.with(|inner| {
            // A runtime that is blocked has not even begun the first.
            let stage = inner.under_way.unwrap_or(Stage::Propagation).as_str();
            ((!inner.is_over).then_some(stage), inner.report.clone())
        })
    }

    /// Whether something of the service may still hold the process. A lifecycle that was dropped before its
    /// shutdown had begun leaves nothing.
    pub(crate) fn has_leftovers(&self, is_alive: bool) -> bool {
        self.with(|inner| {
            let holds = |report: &StageReport| {
                let is_buffer =
                    matches!(report.stage, Stage::Traces | Stage::Metrics | Stage::Logs);
                !report.complete || report.lost > 0 && !is_buffer
            };
            match inner.is_over {
                true => inner.report.stages.iter().any(holds),
                false => is_alive || inner.under_way.is_some(),
            }
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
