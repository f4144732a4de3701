//! The application without a word of telemetry.

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;

/// One route, as [`crate::telemetry::application`] has it.
pub fn application() -> Router {
    Router::new().route("/orders/{id}", get(order))
}

async fn order(Path(id): Path<u64>) -> Result<String, StatusCode> {
    load(id).await.ok_or(StatusCode::NOT_FOUND)
}

async fn load(id: u64) -> Option<String> {
    (id != 0).then(|| format!("order {id}"))
}
