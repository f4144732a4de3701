//! Looks at the services' metrics and probes, every second and on demand.

mod fetch;
mod openmetrics;
mod target;

pub use openmetrics::{Exposition, parse as parse_openmetrics};
pub use target::Target;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::model::{Health, MetricSource, now_nanos};
use crate::store::Store;
pub(crate) use fetch::Fetcher;

use crate::client::Answer;

const METRICS_TYPES: &str = "application/openmetrics-text; version=1.0.0, text/plain; q=0.5";
/// A readiness body is a few lines; one larger than this is kept without its checks.
const LARGEST_CHECKS: usize = 16 << 10;

/// The services that are looked at.
#[derive(Clone, Debug)]
pub(crate) struct Scraper {
    store: Arc<Store>,
    places: Arc<watch::Sender<Vec<Place>>>,
}

/// One of them.
#[derive(Clone, Debug)]
struct Place {
    target: Target,
    /// Two looks at one never overlap.
    turn: Arc<Mutex<()>>,
}

/// What one look at one service found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Look {
    service: Arc<str>,
    ready: bool,
    live: bool,
    /// How many samples were taken and turned away, and how many lines were no samples.
    samples: u64,
    rejected: u64,
    bad_lines: u64,
    /// Why there are no metrics, where there are none.
    error: Option<String>,
}

impl Scraper {
    pub(crate) fn new(store: Arc<Store>, targets: Vec<Target>) -> Self {
        let places = targets.into_iter().map(Place::new).collect();
        Self { store, places: Arc::new(watch::Sender::new(places)) }
    }

    /// Looks at this one too, from now on; in place of one of the same name.
    pub(crate) fn add(&self, target: Target) {
        self.places.send_modify(|places| {
            places.retain(|place| place.target.service() != target.service());
            places.push(Place::new(target));
        });
    }

    /// The service of this name.
    pub(crate) fn target_of(&self, service: &str) -> Option<Target> {
        let places = self.places.borrow();
        let place = places.iter().find(|place| **place.target.service() == *service)?;
        Some(place.target.clone())
    }

    /// Looks at every service now, at all of them at once.
    pub(crate) async fn look(&self) -> Vec<Look> {
        let mut looks = JoinSet::new();
        let places = self.places.borrow().clone();
        for place in places {
            let this = self.clone();
            looks.spawn(async move { this.look_at(&place).await });
        }
        let mut found: Vec<Look> = looks.join_all().await;
        found.sort_by(|one, other| one.service.cmp(&other.service));
        found
    }

    /// Looks at every service, each at its own pace of once an `interval`, until `stop` changes.
    pub(crate) async fn run(self, interval: Duration, mut stop: watch::Receiver<bool>) {
        let mut places = self.places.subscribe();
        loop {
            // Dropping the set ends its tasks: where the list changes, all begin anew.
            let mut running = JoinSet::new();
            let current = places.borrow_and_update().clone();
            for place in current {
                let this = self.clone();
                running.spawn(async move {
                    let mut ticks = tokio::time::interval(interval);
                    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                    loop {
                        ticks.tick().await;
                        this.look_at(&place).await;
                    }
                });
            }
            tokio::select! {
                _ = stop.wait_for(|stopped| *stopped) => return,
                changed = places.changed() => if changed.is_err() { return },
            }
        }
    }

    async fn look_at(&self, place: &Place) -> Look {
        let _turn = place.turn.lock().await;
        let target = &place.target;
        let fetcher = Fetcher::new(target, self.store.own_trace_id());
        let begun = now_nanos();
        let (metrics, ready, live) = tokio::join!(
            fetcher.fetch("/metrics", METRICS_TYPES),
            fetcher.fetch("/readyz", "application/json"),
            fetcher.fetch("/healthz", "application/json"),
        );
        let done = now_nanos();
        let service = Arc::clone(target.service());
        let health = health(&ready, &live);
        let mut look = Look {
            service: Arc::clone(&service),
            ready: health.ready,
            live: health.live,
            samples: 0,
            rejected: 0,
            bad_lines: 0,
            error: None,
        };
        self.store.add_health(&service, done, health);
        match metrics {
            Ok(Answer { status: 200, body }) => {
                let exposition = parse_openmetrics(&String::from_utf8_lossy(&body));
                let times = (begun, done);
                let observations = exposition.observations;
                let families = exposition.families;
                let taken =
                    self.store.add_metrics(&service, MetricSource::Scrape, times, observations);
                self.store.add_families(&service, MetricSource::Scrape, families);
                look.samples = taken.accepted;
                look.rejected = taken.rejected;
                look.bad_lines = exposition.bad_lines;
            }
            Ok(answer) => look.error = Some(format!("/metrics answered {}", answer.status)),
            Err(error) => look.error = Some(error),
        }
        look
    }
}

impl Place {
    fn new(target: Target) -> Self {
        Self { target, turn: Arc::default() }
    }
}

fn health(ready: &Result<Answer, String>, live: &Result<Answer, String>) -> Health {
    let checks = |answer: &Answer| -> Option<Value> {
        if answer.body.len() > LARGEST_CHECKS {
            return None;
        }
        let mut body: Value = serde_json::from_slice(&answer.body).ok()?;
        Some(body.get_mut("checks")?.take())
    };
    Health {
        ready: ready.as_ref().is_ok_and(|answer| answer.status == 200),
        live: live.as_ref().is_ok_and(|answer| answer.status == 200),
        checks: ready.as_ref().ok().and_then(checks).unwrap_or_default(),
        error: ready.as_ref().err().or(live.as_ref().err()).map(|error| error.as_str().into()),
    }
}
