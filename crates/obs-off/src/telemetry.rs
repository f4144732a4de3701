//! The application with all that obs-all has: this source is compiled with the feature `on` and without.

use std::sync::LazyLock;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use obs_all::logging::bind;
use obs_all::metrics::{self, Buckets, Counter, CounterVec, Gauge, Histogram};
use obs_all::{Config, Error, Obs};
use tracing::{info, instrument, warn};

/// Orders that were asked for, by whether there was one.
pub static ORDERS: LazyLock<CounterVec<1>> =
    LazyLock::new(|| metrics::counter_vec("orders_total", "Orders asked for.", ["found"]));
/// All of them.
pub static REQUESTS: LazyLock<Counter> =
    LazyLock::new(|| metrics::counter("requests_total", "Requests."));
/// Those under way.
pub static IN_PROGRESS: LazyLock<Gauge> =
    LazyLock::new(|| metrics::gauge("requests_in_progress", "Requests under way."));
/// Their numbers.
pub static NUMBERS: LazyLock<Histogram> =
    LazyLock::new(|| metrics::histogram("order_numbers", "Numbers.", Buckets::default()));

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
pub fn application(obs: &Obs) -> Router {
    obs.observe(Router::new().route("/orders/{id}", get(order)))
}

async fn order(Path(id): Path<u64>) -> Result<String, StatusCode> {
    bind!(order_id = id);
    REQUESTS.inc();
    IN_PROGRESS.inc();
    NUMBERS.observe(id as f64);
    let order = load(id).await;
    IN_PROGRESS.dec();
    let found = if order.is_some() { "yes" } else { "no" };
    ORDERS.with([found]).inc();
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
