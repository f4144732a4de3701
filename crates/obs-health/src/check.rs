//! A dependency check: what it asks, how often, and when its answer counts.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

type BoxError = Box<dyn StdError + Send + Sync>;
type Run =
    dyn Fn(Duration) -> Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>> + Send + Sync;

/// A question to one dependency, asked in the background and answered to readiness only.
///
/// A dependency never decides liveness: a restart does not mend a database.
#[derive(Clone)]
pub struct Check {
    pub(crate) name: String,
    pub(crate) run: Arc<Run>,
    pub(crate) critical: bool,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    pub(crate) failures_before_down: u32,
    pub(crate) successes_before_up: u32,
    /// Of an on-demand check; `None` for one in the background.
    pub(crate) time_to_live: Option<Duration>,
}

impl Check {
    /// A critical check called `name` that runs `question` every 5 s with a timeout of 2 s, is down
    /// after 2 failures in a row and up after 1 success.
    ///
    /// The error's text goes to the log, never to a probe's answer.
    pub fn new<Question, Answer, E>(name: impl Into<String>, question: Question) -> Self
    where
        Question: Fn() -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Self::with_timeout(name, move |_| question())
    }

    /// As [`Check::new`], with a question that gets its timeout.
    pub fn with_timeout<Question, Answer, E>(name: impl Into<String>, question: Question) -> Self
    where
        Question: Fn(Duration) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Self {
            name: name.into(),
            run: Arc::new(move |timeout| {
                let answer = question(timeout);
                Box::pin(async move { answer.await.map_err(Into::into) })
            }),
            critical: true,
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            failures_before_down: 2,
            successes_before_up: 1,
            time_to_live: None,
        }
    }

    /// Reported, and a reason for `degraded`, but never for `not ready`.
    pub fn informational(mut self) -> Self {
        self.critical = false;
        self
    }

    /// Runs once at the start and then only when `/readyz` is asked and its answer is older than this;
    /// all who ask share one run. For what is too costly to ask every few seconds.
    pub fn on_demand(mut self, time_to_live: Duration) -> Self {
        self.time_to_live = Some(time_to_live);
        self
    }

    /// The time from one run's end to the next one's start; at least 10 ms.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval.max(Duration::from_millis(10));
        self
    }

    /// How long one run may take; past it the run counts as failed and is cancelled.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.max(Duration::from_millis(1));
        self
    }

    /// How many failures in a row turn the check down; at least 1.
    pub fn failures_before_down(mut self, failures: u32) -> Self {
        self.failures_before_down = failures.max(1);
        self
    }

    /// How many successes in a row turn the check up again; at least 1.
    pub fn successes_before_up(mut self, successes: u32) -> Self {
        self.successes_before_up = successes.max(1);
        self
    }

    /// An answer older than this counts for nothing: two rounds were missed.
    pub(crate) fn stale_after(&self) -> Duration {
        self.interval
            .saturating_add(self.timeout)
            .saturating_mul(2)
            .saturating_add(Duration::from_millis(500))
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("name", &self.name)
            .field("critical", &self.critical)
            .field("interval", &self.interval)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
