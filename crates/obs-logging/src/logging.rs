//! The handle: flushing, counting, changing the filter.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use obs_context::Source;

use crate::budget::{Budget, LogBudget};
use crate::cost::{CallsiteCost, CallsiteStats};
use crate::encode::moment::Moment;
use crate::error::Error;
use crate::filter::LogFilter;
use crate::output::{Accounts, Counts, FlushReport, Sink, Tally};

/// How long a dropped handle waits for the output.
const DROP_TIMEOUT: Duration = Duration::from_secs(5);

/// The handle of a logging layer. When it is dropped, what waits for the output is written, for at
/// most five seconds; lines that come later are written at once.
#[must_use = "when the handle is dropped, logging ends: keep it as long as the service runs"]
pub struct Logging {
    sink: Arc<Sink>,
    filter: LogFilter,
    tally: Arc<Tally>,
    stats: Arc<CallsiteStats>,
    budget: Option<Arc<Budget>>,
}

impl Logging {
    pub(crate) fn new(
        sink: Arc<Sink>,
        filter: LogFilter,
        tally: Arc<Tally>,
        stats: Arc<CallsiteStats>,
        budget: Option<Arc<Budget>>,
    ) -> Self {
        Self { sink, filter, tally, stats, budget }
    }

    /// Waits until everything that was logged before is written, for at most `deadline`.
    pub fn flush(&self, deadline: Duration) -> FlushReport {
        self.sink.flush(deadline)
    }

    /// As [`Logging::flush`]; what is still waiting at the deadline is counted as dropped, and the
    /// writer's thread ends. Later lines are written by the thread that logs them. May be called again.
    pub fn shutdown(&self, deadline: Duration) -> FlushReport {
        self.sink.shutdown(deadline)
    }

    /// How many lines there were so far, and what became of them.
    pub fn counts(&self) -> Counts {
        self.sink.counts()
    }

    /// The same as metrics, for whatever exposes metrics.
    pub fn source(&self) -> Arc<dyn Source> {
        Arc::new(Accounts::new(vec![(None, self.sink.clone())]))
    }

    /// The metrics of several outputs in one, distinguished by the label `output`: what [`Logging::source`]
    /// gives for each would clash in one registry.
    pub fn source_of<'a, Name: Into<String>>(
        outputs: impl IntoIterator<Item = (Name, &'a Self)>,
    ) -> Arc<dyn Source> {
        let named = |(name, logging): (Name, &Self)| (Some(name.into()), logging.sink.clone());
        Arc::new(Accounts::new(outputs.into_iter().map(named).collect()))
    }

    /// The bill: which callsite has logged how much, the most bytes first.
    pub fn costs(&self) -> Vec<CallsiteCost> {
        self.stats.costs()
    }

    /// The budget, and what it has shed so far; `None` where there is none: see
    /// [`Builder::budget`](crate::Builder::budget).
    pub fn budget(&self) -> Option<LogBudget> {
        let budget = self.budget.as_ref()?;
        Some(LogBudget {
            bytes_per_second: budget.bytes_per_second(),
            fill: budget.fill(Moment::now()),
            shed: self.tally.shed_by_level().into_iter().flatten().sum(),
        })
    }

    /// The filter that holds now.
    pub fn filter(&self) -> String {
        self.filter.text()
    }

    /// Replaces the filter.
    ///
    /// # Errors
    /// When the text is no filter; the one before still holds.
    pub fn set_filter(&self, filter: &str) -> Result<(), Error> {
        self.filter.set(filter)
    }

    /// Replaces the filter for a while; then the last lasting one holds again by itself.
    ///
    /// # Errors
    /// When the text is no filter; the one before still holds.
    pub fn set_filter_for(&self, filter: &str, time: Duration) -> Result<(), Error> {
        self.filter.set_for(filter, time)
    }

    pub(crate) fn log_filter(&self) -> &LogFilter {
        &self.filter
    }

    pub(crate) fn sink(&self) -> &Arc<Sink> {
        &self.sink
    }

    pub(crate) fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        self.sink.shutdown(DROP_TIMEOUT);
    }
}

impl fmt::Debug for Logging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logging").field("filter", &self.filter).finish_non_exhaustive()
    }
}
