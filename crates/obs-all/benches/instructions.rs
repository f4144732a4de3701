//! Instructions of a line in a request, and of a query that is measured but not traced: `cargo bench -p obs-all --bench
//! instructions`. Exits with 1 past the limit. Needs valgrind; without it, it says so and leaves, or fails
//! where `OBS_REQUIRE_PEERS=1`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command's output is its purpose")]
#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to say")]

use std::process::ExitCode;
use std::time::Duration;

use ::tracing::{Level, debug, enabled, info, info_span};
use obs_all::Config;
use obs_all::tracing::Sampler;

/// What one takes at most on its thread; a line where nobody is told of errors, and where somebody is. A query
/// of a trace that is not sampled, where queries are not measured.
#[cfg(feature = "errors")]
const LIMITS: &[(&str, u64)] = &[("line", 2_250), ("line, errors are told", 4_300), (QUERY, 400)];
#[cfg(not(feature = "errors"))]
const LIMITS: &[(&str, u64)] = &[("line", 2_250), (QUERY, 400)];

const QUERY: &str = "query, not sampled";

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
            obs_testing::instructions(&arguments, Some("*_of_a_request*"))
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
    let config = match work {
        QUERY => config.sampler(Sampler::never()).database_system("sqlite"),
        _ => config,
    };
    let _obs =
        configure(config.log_output("/dev/null"), work).init().expect("nothing of this can fail");
    let _entered = info_span!("request", method = "GET", path = "/orders").entered();
    for _ in 0..chunks {
        match work {
            QUERY => queries_of_a_request(),
            _ => lines_of_a_request(),
        }
        // The writer is on a thread of its own.
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(feature = "errors")]
fn configure(config: Config, work: &str) -> Config {
    use obs_all::errors::{Outcome, Report};
    if work != "line, errors are told" {
        return config;
    }
    config.errors(|errors| errors.sink(|_: &Report| Outcome::Delivered))
}

#[cfg(not(feature = "errors"))]
fn configure(config: Config, _: &str) -> Config {
    config
}

#[inline(never)]
fn lines_of_a_request() {
    for _ in 0..LINES {
        info!(user_id = 123_u64, name = "Alice", ratio = 0.25, "user created");
    }
}

/// As sqlx 0.9 does it (`sqlx-core/src/logger.rs`).
#[inline(never)]
fn queries_of_a_request() {
    let sql =
        "SELECT id, total, status FROM orders WHERE customer = ? ORDER BY created DESC LIMIT 20";
    for _ in 0..LINES {
        if enabled!(target: "sqlx::query", Level::DEBUG) {
            let mut summary = sql.split_whitespace().take(4).collect::<Vec<_>>().join(" ");
            summary.push_str(" …");
            let sql = format!("\n\n{sql}\n");
            let elapsed = Duration::from_micros(300);
            debug!(
                target: "sqlx::query",
                summary,
                db.statement = sql,
                rows_affected = 0_u64,
                rows_returned = 20_u64,
                ?elapsed,
                elapsed_secs = elapsed.as_secs_f64(),
            );
        }
    }
}
