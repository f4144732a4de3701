//! The orders service without any telemetry: what the two contenders put theirs around.
//!
//! A request writes two log lines with three fields, makes one span with two attributes and, unless it is
//! told not to, asks SQLite once.

pub mod ours;

use std::str::FromStr;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Json;
use axum::routing::get;
use serde_json::{Value, json};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use tokio::net::TcpListener;
use tracing::{Instrument, info, info_span};

/// What a contender's process does with a failure: says it and ends.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How much telemetry the driver asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// None.
    Bare,
    /// JSON lines with the request's context.
    Logs,
    /// Lines, and the RED metrics.
    Metrics,
    /// Lines, metrics and traces; the environment's `OTEL_TRACES_SAMPLER` says how many.
    Traces,
}

impl Mode {
    /// From the variable `MODE`.
    ///
    /// # Errors
    ///
    /// When it has another value than `bare`, `logs`, `metrics` or `traces`.
    pub fn from_environment() -> Result<Self, Failure> {
        match std::env::var("MODE")?.as_str() {
            "bare" => Ok(Self::Bare),
            "logs" => Ok(Self::Logs),
            "metrics" => Ok(Self::Metrics),
            "traces" => Ok(Self::Traces),
            other => Err(format!("MODE is {other}: give bare, logs, metrics or traces").into()),
        }
    }
}

#[derive(Clone)]
struct Orders {
    pool: Option<SqlitePool>,
}

/// The routes, with the database when `DATABASE_URL` names one.
///
/// # Errors
///
/// When the database cannot be opened.
pub async fn routes() -> Result<Router, Failure> {
    let pool = match std::env::var("DATABASE_URL") {
        Ok(url) => Some(database(&url).await?),
        Err(_) => None,
    };
    Ok(Router::new().route("/orders/{id}", get(order)).with_state(Orders { pool }))
}

/// Binds a free port and tells the driver on standard error.
///
/// # Errors
///
/// When none can be bound.
#[allow(clippy::print_stderr, reason = "the driver reads it")]
pub async fn listener() -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    eprintln!("listening on {}", listener.local_addr()?);
    Ok(listener)
}

/// Serves as axum does, until SIGTERM.
///
/// # Errors
///
/// When no connection can be accepted any more.
pub async fn serve(listener: TcpListener, app: Router) -> Result<(), Failure> {
    let mut ended = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let until = async move {
        ended.recv().await;
    };
    Ok(axum::serve(listener, app).with_graceful_shutdown(until).await?)
}

async fn database(url: &str) -> Result<SqlitePool, Failure> {
    let options = SqliteConnectOptions::from_str(url)?;
    let pool = SqlitePoolOptions::new().max_connections(2).connect_with(options).await?;
    sqlx::query("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, total INTEGER)")
        .execute(&pool)
        .await?;
    sqlx::query("INSERT OR REPLACE INTO orders (id, total) VALUES (7, 4200)")
        .execute(&pool)
        .await?;
    Ok(pool)
}

async fn order(State(orders): State<Orders>, Path(id): Path<i64>) -> Json<Value> {
    info!(order_id = id, user_id = 42, tier = "gold", "order received");
    let total =
        total(&orders, id).instrument(info_span!("process_order", order_id = id, items = 3));
    let total = total.await;
    info!(order_id = id, total, currency = "EUR", "order done");
    Json(json!({"id": id, "total": total}))
}

async fn total(orders: &Orders, id: i64) -> i64 {
    let Some(pool) = &orders.pool else { return 4200 };
    let found = sqlx::query_scalar("SELECT total FROM orders WHERE id = ?").bind(id);
    found.fetch_optional(pool).await.ok().flatten().unwrap_or(0)
}
