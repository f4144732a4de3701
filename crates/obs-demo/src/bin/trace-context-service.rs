//! What the public W3C trace-context suite (w3c/trace-context, `test/`) expects of a service: `POST /test`
//! takes a JSON list of `{"url", "arguments"}`, and for each sends the arguments to the url, continuing
//! the incoming context.

use std::process::ExitCode;

use axum::Json;
use axum::extract::State;
use axum::routing::post;
use http::StatusCode;
use obs_demo::{Client, Failure, exit, listener};
use serde_json::Value;

#[tokio::main]
async fn main() -> ExitCode {
    exit("trace-context-service", serve().await)
}

async fn serve() -> Result<(), Failure> {
    let obs = obs_all::init("trace-context-service")?;
    let client = Client::new(&obs, "");
    let app = obs.observe(axum::Router::new().route("/test", post(test)).with_state(client));
    obs.serve(listener("127.0.0.1:5050").await?, app).await?;
    Ok(())
}

async fn test(State(client): State<Client>, Json(calls): Json<Vec<Value>>) -> StatusCode {
    for call in &calls {
        let Some(url) = call["url"].as_str() else { return StatusCode::BAD_REQUEST };
        if let Err(error) = client.post(url, &call["arguments"]).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "a call failed");
        }
    }
    StatusCode::OK
}
