//! Scrapes the services' metrics and probes, every second and on demand.

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

const METRICS_ACCEPT: &str = "application/openmetrics-text; version=1.0.0, text/plain; q=0.5";
/// A readiness body is a few lines; one larger than this is kept without its checks.
const MAX_CHECKS_BYTES: usize = 16 << 10;

/// The scraped services.
#[derive(Clone, Debug)]
pub(crate) struct Scraper {
    store: Arc<Store>,
    targets: Arc<watch::Sender<Vec<ScrapedTarget>>>,
}

/// A target, and the lock of its scrapes.
#[derive(Clone, Debug)]
struct ScrapedTarget {
    target: Target,
    /// Two scrapes of one target never overlap.
    lock: Arc<Mutex<()>>,
}

/// The result of scraping one service once.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ScrapeResult {
    service: Arc<str>,
    ready: bool,
    live: bool,
    /// How many samples were accepted and rejected, and how many lines were not samples.
    samples: u64,
    rejected: u64,
    bad_lines: u64,
    /// Why there are no metrics, where there are none.
    error: Option<String>,
}

impl Scraper {
    pub(crate) fn new(store: Arc<Store>, targets: Vec<Target>) -> Self {
        let targets = targets.into_iter().map(ScrapedTarget::new).collect();
        Self { store, targets: Arc::new(watch::Sender::new(targets)) }
    }

    /// Scrapes this one too, from now on; replaces one of the same name.
    pub(crate) fn add(&self, target: Target) {
        self.targets.send_modify(|targets| {
            targets.retain(|known| known.target.service() != target.service());
            targets.push(ScrapedTarget::new(target));
        });
    }

    /// The service of this name.
    pub(crate) fn target_of(&self, service: &str) -> Option<Target> {
        let targets = self.targets.borrow();
        let target = targets.iter().find(|known| **known.target.service() == *service)?;
        Some(target.target.clone())
    }

    /// Scrapes all services now, concurrently.
    pub(crate) async fn scrape_all(&self) -> Vec<ScrapeResult> {
        let mut scrapes = JoinSet::new();
        let targets = self.targets.borrow().clone();
        for target in targets {
            let this = self.clone();
            scrapes.spawn(async move { this.scrape(&target).await });
        }
        let mut found: Vec<ScrapeResult> = scrapes.join_all().await;
        found.sort_by(|one, other| one.service.cmp(&other.service));
        found
    }

    /// Scrapes each service once an `interval`, until `stop` changes.
    pub(crate) async fn run(self, interval: Duration, mut stop: watch::Receiver<bool>) {
        let mut targets = self.targets.subscribe();
        loop {
            // Dropping the set ends its tasks: when the list changes, all start again.
            let mut running = JoinSet::new();
            let current = targets.borrow_and_update().clone();
            for target in current {
                let this = self.clone();
                running.spawn(async move {
                    let mut ticks = tokio::time::interval(interval);
                    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                    loop {
                        ticks.tick().await;
                        this.scrape(&target).await;
                    }
                });
            }
            tokio::select! {
                _ = stop.wait_for(|stopped| *stopped) => return,
                changed = targets.changed() => if changed.is_err() { return },
            }
        }
    }

    async fn scrape(&self, target: &ScrapedTarget) -> ScrapeResult {
        let _lock = target.lock.lock().await;
        let target = &target.target;
        let fetcher = Fetcher::new(target, self.store.own_trace_id());
        let started = now_nanos();
        let (metrics, ready, live) = tokio::join!(
            fetcher.fetch("/metrics", METRICS_ACCEPT),
            fetcher.fetch("/readyz", "application/json"),
            fetcher.fetch("/healthz", "application/json"),
        );
        let done = now_nanos();
        let service = Arc::clone(target.service());
        let health = health(&ready, &live);
        let mut result = ScrapeResult {
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
                let times = (started, done);
                let observations = exposition.observations;
                let families = exposition.families;
                let taken =
                    self.store.add_metrics(&service, MetricSource::Scrape, times, observations);
                self.store.add_families(&service, MetricSource::Scrape, families);
                result.samples = taken.accepted;
                result.rejected = taken.rejected;
                result.bad_lines = exposition.bad_lines;
            }
            Ok(answer) => result.error = Some(format!("/metrics answered {}", answer.status)),
            Err(error) => result.error = Some(error),
        }
        result
    }
}

impl ScrapedTarget {
    fn new(target: Target) -> Self {
        Self { target, lock: Arc::default() }
    }
}

fn health(ready: &Result<Answer, String>, live: &Result<Answer, String>) -> Health {
    let checks = |answer: &Answer| -> Option<Value> {
        if answer.body.len() > MAX_CHECKS_BYTES {
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
