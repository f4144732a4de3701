//! The gateway: what the outside world talks to.

use std::process::ExitCode;

use axum::extract::State;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use http::{Method, StatusCode, Uri};
use obs_demo::{Client, Failure, exit, listener, setting};
use serde_json::json;

#[tokio::main]
async fn main() -> ExitCode {
    exit("gateway", serve().await)
}

async fn serve() -> Result<(), Failure> {
    let obs = obs_all::init("gateway")?;
    let orders = Client::new(&obs, setting("ORDERS_URL", "http://127.0.0.1:8002"));
    let routes = axum::Router::new()
        .route("/orders/{id}", get(forward).post(forward))
        .route("/slow/{ms}", get(forward))
        .route("/fail", get(forward))
        .route("/panic", get(forward))
        .with_state(orders);
    let app = obs.observe(routes);
    obs.serve(listener("127.0.0.1:8001").await?, app).await?;
    Ok(())
}

async fn forward(State(orders): State<Client>, method: Method, uri: Uri) -> Response {
    tracing::info!("forwarding to orders");
    match orders.call(method, uri.path()).await {
        Ok((status, body)) => (status, Json(body)).into_response(),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "orders did not answer");
            (StatusCode::BAD_GATEWAY, Json(json!({"error": "orders did not answer"})))
                .into_response()
        }
    }
}
