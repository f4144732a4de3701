//! The orders service with our telemetry, under an allocator that counts.
//!
//! `GET /allocations` answers how many allocations, and of how many bytes, the process has made, by any thread.
//! With `ALLOCATIONS_TRACE=1` standard error has the stacks of all that were made between the first such
//! request and the second, the most frequent first.

mod counting;

use axum::Router;
use axum::routing::get;
use obs_bench_e2e::{Failure, ours};

use crate::counting::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let traced = std::env::var_os("ALLOCATIONS_TRACE").is_some();
    let answer = async move || {
        let made = counting::made();
        if traced {
            counting::trace();
        }
        made
    };
    ours::run(Router::new().route("/allocations", get(answer))).await
}
