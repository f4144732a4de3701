//! What the probes of each service said, as the moments at which it changed.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::limits::Limits;
use crate::model::{Health, rfc3339};

/// Changes that are kept a service.
const CHANGES: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct HealthLog(HashMap<Arc<str>, VecDeque<Period>>);

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

impl HealthLog {
    pub(crate) fn add(&mut self, service: &str, at: u64, health: Health, limits: &Limits) -> bool {
        if !self.0.contains_key(service) {
            if self.0.len() >= limits.services {
                return false;
            }
            self.0.insert(service.into(), VecDeque::new());
        }
        let Some(periods) = self.0.get_mut(service) else { return false };
        match periods.back_mut() {
            Some(period) if period.health == health => period.last = period.last.max(at),
            _ => {
                periods.push_back(Period { first: at, last: at, health });
                if periods.len() > CHANGES {
                    periods.pop_front();
                }
            }
        }
        true
    }

    /// What was known at `unix_nanos`, or, where that was before the first answer, the first answer.
    pub(crate) fn at(&self, service: &str, unix_nanos: u64) -> Option<HealthAt> {
        let (service, periods) = self.0.get_key_value(service)?;
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

    pub(crate) fn services(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.keys()
    }
}
