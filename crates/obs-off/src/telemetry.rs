//! The application with all that obs-all has: this source is compiled with the feature `on` and without.

use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use obs_all::logging::bind;
use obs_all::metrics::{self, Buckets, Counter, CounterVec, Gauge, Histogram};
use obs_all::{Config, Error, Obs};
use tracing::{info, instrument, warn};

/// What the handlers count.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Orders that were asked for, by whether there was one.
    pub orders: CounterVec<1>,
    /// All of them.
    pub requests: Counter,
    /// Those under way.
    pub in_progress: Gauge,
    /// Digits of their numbers.
    pub digits: Histogram,
}

impl Metrics {
    /// Those of the process's registry.
    pub fn new() -> Self {
        Self {
            orders: metrics::counter_vec("orders_total", "Orders asked for.", ["found"]),
            requests: metrics::counter("requests_total", "Requests."),
            in_progress: metrics::gauge("requests_in_progress", "Requests under way."),
            digits: metrics::histogram("order_digits", "Digits.", Buckets::default()),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// The telemetry of the process, on a port of its own, without the environment.
///
/// # Errors
///
/// As [`Config::init`].
pub fn init(log: &str) -> Result<Obs, Error> {
    let admin = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let config = Config::new("orders").environment(|_| None).log_output(log);
    config.admin_addr(Some(admin)).propagation(Duration::ZERO).init()
}

/// One route, watched.
pub fn application(obs: &Obs, metrics: Metrics) -> Router {
    obs.observe(Router::new().route("/orders/{id}", get(order)).with_state(metrics))
}

async fn order(State(metrics): State<Metrics>, Path(id): Path<u64>) -> Result<String, StatusCode> {
    bind!(order_id = id);
    metrics.requests.inc();
    metrics.in_progress.inc();
    metrics.digits.observe(f64::from(id.checked_ilog10().unwrap_or(0) + 1));
    let order = load(id).await;
    metrics.in_progress.dec();
    let found = if order.is_some() { "yes" } else { "no" };
    metrics.orders.with([found]).inc();
    match order {
        Some(order) => {
            info!(id, "order found");
            Ok(order)
        }
        None => {
            warn!(id, "no such order");
            obs_all::errors::capture(&NoOrder);
            Err(StatusCode::NOT_FOUND)
        }
    }
}

#[instrument]
async fn load(id: u64) -> Option<String> {
    (id != 0).then(|| format!("order {id}"))
}

#[derive(Debug)]
struct NoOrder;

impl std::fmt::Display for NoOrder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no such order")
    }
}

impl std::error::Error for NoOrder {}
