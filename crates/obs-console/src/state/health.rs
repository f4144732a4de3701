//! The history of each service's probes, as changes.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::limits::Limits;
use crate::model::{Health, rfc3339};

/// Changes that are kept a service.
const MAX_CHANGES: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct HealthLog {
    services: HashMap<Arc<str>, VecDeque<Period>>,
    /// Grows with every change.
    pub(crate) revision: u64,
}

/// A time over which every answer was the same.
#[derive(Debug)]
struct Period {
    first: u64,
    last: u64,
    health: Health,
}

/// A service's health at the time of a request.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HealthAt {
    /// Which service.
    pub service: Arc<str>,
    /// Whether `/readyz` answered 200.
    pub ready: bool,
    /// Whether `/healthz` answered 200.
    pub live: bool,
    /// The `checks` of the readiness probe's body.
    pub checks: Value,
    /// When it was asked, in RFC 3339.
    pub at: String,
    /// Why nothing could be learned, where nothing could.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Box<str>>,
}

/// From when on the probes of a service said what.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HealthChange {
    /// Which service.
    pub service: Arc<str>,
    /// When it was first seen so, in milliseconds of Unix time.
    pub unix_ms: f64,
    /// When it was last seen so.
    pub last_unix_ms: f64,
    /// Whether `/readyz` answered 200.
    pub ready: bool,
    /// Whether `/healthz` answered 200.
    pub live: bool,
    /// The `checks` of the readiness probe's body.
    pub checks: Value,
    /// Why nothing could be learned, where nothing could.
    pub error: Option<Box<str>>,
}

impl HealthChange {
    fn from_period(service: &Arc<str>, period: &Period) -> Self {
        Self {
            service: Arc::clone(service),
            unix_ms: period.first as f64 / 1e6,
            last_unix_ms: period.last as f64 / 1e6,
            ready: period.health.ready,
            live: period.health.live,
            checks: period.health.checks.clone(),
            error: period.health.error.clone(),
        }
    }
}

impl HealthLog {
    pub(crate) fn add(&mut self, service: &str, at: u64, health: Health, limits: &Limits) -> bool {
        if !self.services.contains_key(service) {
            if self.services.len() >= limits.services {
                return false;
            }
            self.services.insert(service.into(), VecDeque::new());
        }
        let Some(periods) = self.services.get_mut(service) else { return false };
        match periods.back_mut() {
            Some(period) if period.health == health => period.last = period.last.max(at),
            _ => {
                self.revision += 1;
                periods.push_back(Period { first: at, last: at, health });
                if periods.len() > MAX_CHANGES {
                    periods.pop_front();
                }
            }
        }
        true
    }

    /// What was known at `unix_nanos`, or, where that was before the first answer, the first answer.
    pub(crate) fn at(&self, service: &str, unix_nanos: u64) -> Option<HealthAt> {
        let (service, periods) = self.services.get_key_value(service)?;
        let known = periods.iter().rev().find(|period| period.first <= unix_nanos);
        let period = known.or(periods.front())?;
        let at = period.last.min(unix_nanos).max(period.first);
        Some(HealthAt {
            service: Arc::clone(service),
            ready: period.health.ready,
            live: period.health.live,
            checks: period.health.checks.clone(),
            at: rfc3339(at),
            error: period.health.error.clone(),
        })
    }

    /// Every change that is kept of `service`, or of all of them, the oldest first: a service's answers were the
    /// same from each to the next.
    pub(crate) fn changes(&self, service: Option<&str>) -> Vec<HealthChange> {
        let wanted = |name: &str| service.is_none_or(|service| *service == *name);
        let services = self.services.iter().filter(|(name, _)| wanted(name));
        let periods = services.flat_map(|(name, periods)| periods.iter().map(move |it| (name, it)));
        let mut changes: Vec<HealthChange> =
            periods.map(|(name, period)| HealthChange::from_period(name, period)).collect();
        changes.sort_by(|one, other| one.unix_ms.total_cmp(&other.unix_ms));
        changes
    }

    /// What was learned last.
    pub(crate) fn latest(&self, service: &str) -> Option<HealthChange> {
        let (name, periods) = self.services.get_key_value(service)?;
        periods.back().map(|period| HealthChange::from_period(name, period))
    }

    pub(crate) fn services(&self) -> impl Iterator<Item = &Arc<str>> {
        self.services.keys()
    }
}
