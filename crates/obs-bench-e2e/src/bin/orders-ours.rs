//! The orders service with our telemetry.

use axum::Router;
use obs_bench_e2e::{Failure, ours};

#[tokio::main]
async fn main() -> Result<(), Failure> {
    ours::run(Router::new()).await
}
