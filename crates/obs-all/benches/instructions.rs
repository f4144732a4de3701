//! Instructions of a line in a request on the thread that writes it: `cargo bench -p obs-all --bench
//! instructions`. Exits with 1 past the limit. Needs valgrind; without it, it says so and leaves, or fails
//! where `OBS_REQUIRE_PEERS=1`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command's output is its purpose")]
#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to say")]

use std::process::ExitCode;
use std::time::Duration;

use ::tracing::{info, info_span};
use obs_all::Config;

/// What a line takes at most on its thread: where nobody is told of errors, and where somebody is.
#[cfg(feature = "errors")]
const LIMITS: &[(&str, u64)] = &[("line", 2_400), ("line, errors are told", 4_500)];
#[cfg(not(feature = "errors"))]
const LIMITS: &[(&str, u64)] = &[("line", 2_400)];

/// The difference of two runs is free of what only the first lines cost.
const CHUNKS: [u64; 2] = [4, 24];
/// Lines that the writer's queue takes at once.
const LINES: u64 = 250;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, work, chunks] = arguments.as_slice()
        && flag == "--work"
    {
        run(work, chunks.parse().expect("a number of repetitions"));
        return ExitCode::SUCCESS;
    }
    if cfg!(debug_assertions) {
        println!("skipped: instructions count in optimised builds only");
        return ExitCode::SUCCESS;
    }
    let mut all_met = true;
    for (work, limit) in LIMITS {
        let [few, many] = CHUNKS.map(|chunks| {
            let arguments = ["--work", work, &chunks.to_string()];
            obs_testing::instructions(&arguments, Some("*lines_of_a_request*"))
        });
        let (Some(few), Some(many)) = (few, many) else {
            obs_testing::skipped("valgrind is not installed");
            return ExitCode::SUCCESS;
        };
        let each = (many - few) / ((CHUNKS[1] - CHUNKS[0]) * LINES);
        all_met &= each <= *limit;
        println!("{work:<22} {each:>6} instructions, at most {limit}");
    }
    if all_met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(work: &str, chunks: u64) {
    let config = Config::new("bench").environment(|_| None).admin_addr(None);
    let _obs = told(config.log_output("/dev/null"), work).init().expect("nothing of this can fail");
    let _entered = info_span!("request", method = "GET", path = "/orders").entered();
    for _ in 0..chunks {
        lines_of_a_request();
        // The writer is on a thread of its own.
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(feature = "errors")]
fn told(config: Config, work: &str) -> Config {
    use obs_all::errors::{Outcome, Report};
    if work == "line" {
        return config;
    }
    config.errors(|errors| errors.sink(|_: &Report| Outcome::Delivered))
}

#[cfg(not(feature = "errors"))]
fn told(config: Config, _: &str) -> Config {
    config
}

#[inline(never)]
fn lines_of_a_request() {
    for _ in 0..LINES {
        info!(user_id = 123_u64, name = "Alice", ratio = 0.25, "user created");
    }
}
