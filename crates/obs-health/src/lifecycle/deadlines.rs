//! How long each stage may take.

use std::time::Duration;

use crate::lifecycle::report::Stage;

/// Those with a deadline, in their order.
const STAGES: [Stage; 8] = [
    Stage::Propagation,
    Stage::Requests,
    Stage::Tasks,
    Stage::Resources,
    Stage::Errors,
    Stage::Traces,
    Stage::Metrics,
    Stage::Logs,
];

/// How long each stage may take, and how long all of them together.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Deadlines {
    /// How long to accept connections while readiness is 503 already: as long as the load balancers
    /// need to learn of it. 5 s in production, 0 in development.
    pub propagation: Duration,
    /// For requests under way. 20 s.
    pub requests: Duration,
    /// For background tasks. 1 s.
    pub tasks: Duration,
    /// For all pools and clients together. 1 s.
    pub resources: Duration,
    /// For the reports of errors. 500 ms.
    pub errors: Duration,
    /// For the flush of traces. 1.5 s.
    pub traces: Duration,
    /// For the flush of metrics. 500 ms.
    pub metrics: Duration,
    /// For the flush of logs. 500 ms.
    pub logs: Duration,
    /// Kubernetes' `terminationGracePeriodSeconds`, whose default is 30 s.
    pub grace_period: Duration,
}

impl Deadlines {
    /// For production: they add up to the grace period of 30 s.
    pub fn production() -> Self {
        Self { propagation: Duration::from_secs(5), ..Self::development() }
    }

    /// For development: there is no load balancer to wait for.
    pub fn development() -> Self {
        Self {
            propagation: Duration::ZERO,
            requests: Duration::from_secs(20),
            tasks: Duration::from_secs(1),
            resources: Duration::from_secs(1),
            errors: Duration::from_millis(500),
            traces: Duration::from_millis(1500),
            metrics: Duration::from_millis(500),
            logs: Duration::from_millis(500),
            grace_period: Duration::from_secs(30),
        }
    }

    /// The longest that a shutdown may take.
    pub fn total(&self) -> Duration {
        STAGES
            .into_iter()
            .map(|stage| self.of(stage))
            .fold(Duration::ZERO, Duration::saturating_add)
    }

    pub(crate) fn of(&self, stage: Stage) -> Duration {
        match stage {
            Stage::Propagation => self.propagation,
            Stage::Requests => self.requests,
            Stage::Tasks => self.tasks,
            Stage::Resources => self.resources,
            Stage::Errors => self.errors,
            Stage::Traces => self.traces,
            Stage::Metrics => self.metrics,
            Stage::Admin => Duration::ZERO,
            Stage::Logs => self.logs,
        }
    }

    /// The deadlines of all stages after this one.
    pub(crate) fn after(&self, stage: Stage) -> Duration {
        let later = STAGES.into_iter().filter(|other| *other > stage);
        later.map(|stage| self.of(stage)).fold(Duration::ZERO, Duration::saturating_add)
    }

    pub(crate) fn warn_if_too_long(&self) {
        if self.total() > self.grace_period {
            tracing::warn!(
                total_seconds = self.total().as_secs_f64(),
                grace_period_seconds = self.grace_period.as_secs_f64(),
                "the shutdown's deadlines exceed the grace period: shorten them, or raise terminationGracePeriodSeconds"
            );
        }
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self::production()
    }
}
