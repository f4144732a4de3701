//! Instructions of a request to an application with all of obs-all, of the same without the feature `telemetry`, and of
//! the same by hand without obs-all: `cargo bench -p obs-off --bench instructions`, and with `--features on`. Without
//! the feature it exits with 1 past the limit. Needs valgrind; without it, it says so and leaves, or fails where
//! `OBS_REQUIRE_PEERS=1`.
#![allow(clippy::print_stdout, reason = "a command's output is its purpose")]
#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to say")]

use std::process::ExitCode;

use axum::Router;
use axum::body::Body;
use http::Request;
use obs_off::telemetry::{application, init};
use tower::ServiceExt;

/// What a request may take more without telemetry than by hand: a load and a compare for each macro of `tracing` and
/// each static metric, the future of `#[instrument]`, the question of `bind!` for its context.
const LIMIT: f64 = 140.0;

/// The difference of two runs is free of what only the first requests cost.
const REQUESTS: [u64; 2] = [200, 1_200];

const BARE: &str = "bare axum";
const OBS: &str = if cfg!(feature = "on") { "obs-all" } else { "obs-all, off" };

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, work, requests] = arguments.as_slice()
        && flag == "--work"
    {
        run(work, requests.parse().expect("a number of requests"));
        return ExitCode::SUCCESS;
    }
    if cfg!(debug_assertions) {
        println!("skipped: instructions count in optimised builds only");
        return ExitCode::SUCCESS;
    }
    let each = |work: &str| {
        let [few, many] = REQUESTS.map(|requests| {
            let arguments = ["--work", work, &requests.to_string()];
            obs_testing::instructions(&arguments, Some("*requests_of_a_client*"))
        });
        Some((many? - few?) as f64 / (REQUESTS[1] - REQUESTS[0]) as f64)
    };
    let (Some(bare), Some(ours)) = (each(BARE), each(OBS)) else {
        obs_testing::skipped("valgrind is not installed");
        return ExitCode::SUCCESS;
    };
    let more = ours - bare;
    println!("{BARE:<14} {bare:>8.0} instructions a request");
    println!(
        "{OBS:<14} {ours:>8.0} instructions a request, {more:+.0}, {:+.2} %",
        more / bare * 100.0
    );
    if cfg!(feature = "on") || more <= LIMIT { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(work: &str, requests: u64) {
    let obs = init("/dev/null").expect("nothing of this can fail");
    let app = match work {
        BARE => obs_off::bare::application(),
        _ => application(&obs),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    requests_of_a_client(&runtime, &app, requests);
}

#[inline(never)]
fn requests_of_a_client(runtime: &tokio::runtime::Runtime, app: &Router, requests: u64) {
    runtime.block_on(async {
        for id in 1..=requests {
            let request = Request::get(format!("/orders/{id}")).body(Body::empty());
            let answer = app.clone().oneshot(request.expect("a request")).await;
            assert!(answer.expect("axum never fails").status().is_success());
        }
    });
}
