//! Orders: axum, sqlx, a manual span and a business metric where the specification has them.

mod database;
mod process;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use http::StatusCode;
use obs_all::Config;
use obs_all::health::Check;
use obs_demo::{Client, Failure, exit, listener, setting};
use serde_json::json;
use tokio::sync::watch;

use crate::database::Database;
use crate::process::{OrderError, process_order};

#[derive(Clone)]
struct Services {
    database: Database,
    payments: Client,
    /// Whether nothing is slow any more.
    awake: watch::Sender<bool>,
}

#[tokio::main]
async fn main() -> ExitCode {
    exit("orders", serve().await)
}

async fn serve() -> Result<(), Failure> {
    let url = setting("DATABASE_URL", "sqlite://orders.db?mode=rwc");
    let obs = Config::new("orders").database_system(database::system(&url)).init()?;
    let database = Database::connect(&url).await?;
    let payments = Client::new(&obs, setting("PAYMENTS_URL", "http://127.0.0.1:8003"));

    let asked = database.clone();
    let check = Check::new(database.system(), move || {
        let database = asked.clone();
        async move { database.ping().await }
    });
    let interval = setting("CHECK_INTERVAL_MS", "5000").parse()?;
    obs.check(check.interval(Duration::from_millis(interval)).timeout(Duration::from_millis(500)))?;
    let closed = database.clone();
    obs.lifecycle().on_close(database.system(), move || async move { closed.close().await });

    let routes = axum::Router::new()
        .route("/orders/{id}", get(read).post(create))
        .route("/slow/{ms}", get(slow))
        .route("/wake", post(wake))
        .route("/fail", get(fail))
        .route("/panic", get(panic))
        .with_state(Services { database, payments, awake: watch::Sender::new(false) });
    let app = obs.observe(routes);
    obs.serve(listener("127.0.0.1:8002").await?, app).await?;
    Ok(())
}

async fn create(State(services): State<Services>, Path(id): Path<String>) -> Response {
    match process_order(&services.database, &services.payments, &id).await {
        Ok(order) => (StatusCode::CREATED, Json(order)).into_response(),
        Err(OrderError::Declined) => {
            (StatusCode::PAYMENT_REQUIRED, Json(json!({"error": "card declined"}))).into_response()
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "order failed");
            (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"error": "order failed"})))
                .into_response()
        }
    }
}

async fn read(State(services): State<Services>, Path(id): Path<String>) -> Response {
    match services.database.status(&id).await {
        Ok(Some(status)) => Json(json!({"id": id, "status": status})).into_response(),
        Ok(None) => {
            (StatusCode::NOT_FOUND, Json(json!({"error": "no such order"}))).into_response()
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "order not read");
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"error": "order not read"})))
                .into_response()
        }
    }
}

async fn slow(State(services): State<Services>, Path(ms): Path<u64>) -> Json<serde_json::Value> {
    let ms = ms.min(60_000);
    tracing::info!(ms, "being slow");
    let begun = Instant::now();
    let mut awake = services.awake.subscribe();
    let woken = awake.wait_for(|awake| *awake);
    let _ = tokio::time::timeout(Duration::from_millis(ms), woken).await;
    Json(json!({"slept_ms": begun.elapsed().as_millis() as u64}))
}

/// Ends every `/slow`, those that are still to come too.
async fn wake(State(services): State<Services>) -> StatusCode {
    services.awake.send_replace(true);
    StatusCode::NO_CONTENT
}

async fn fail(State(services): State<Services>) -> Response {
    let Err(error) = services.database.ask_for_a_missing_table().await else {
        return StatusCode::NO_CONTENT.into_response();
    };
    tracing::error!(error = &error as &dyn std::error::Error, "the report could not be made");
    (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"error": "no report"}))).into_response()
}

#[allow(clippy::panic, reason = "this route shows what becomes of a panic")]
async fn panic() -> StatusCode {
    panic!("a handler that panics")
}
