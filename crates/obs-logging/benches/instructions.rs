//! Instructions an event, which no noise of the machine changes: `cargo bench -p obs-logging --bench
//! instructions`. Exits with 1 past the limit. Needs valgrind; without it, it says so and leaves, or
//! fails where `OBS_REQUIRE_PEERS=1`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command's output is its purpose")]
#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to say")]

use std::io;
use std::process::ExitCode;

use obs_logging::{Builder, Delivery, Format, Output};
use tracing::{info, info_span};
use tracing_subscriber::layer::SubscriberExt;

/// What the works may cost at most.
const LIMITS: [(&str, u64); 3] = [("no context", 1_800), ("one span", 1_920), ("request", 9_500)];

/// The difference of two runs is free of what only the start costs.
const COUNTS: [u64; 2] = [2_000, 12_000];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, work, count] = arguments.as_slice()
        && flag == "--work"
    {
        run(work, count.parse().expect("a number of repetitions"));
        return ExitCode::SUCCESS;
    }
    if cfg!(debug_assertions) {
        println!("skipped: instructions count in optimised builds only");
        return ExitCode::SUCCESS;
    }
    let mut all_met = true;
    for (work, limit) in LIMITS {
        let [few, many] = COUNTS
            .map(|count| obs_testing::instructions(&["--work", work, &count.to_string()], None));
        let (Some(few), Some(many)) = (few, many) else {
            obs_testing::skipped("valgrind is not installed");
            return ExitCode::SUCCESS;
        };
        let each = (many - few) / (COUNTS[1] - COUNTS[0]);
        all_met &= each <= limit;
        println!("{work:<12} {each:>6} instructions, at most {limit}");
    }
    if all_met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(work: &str, count: u64) {
    let (layer, _logging) = Builder::new()
        .format(Format::Json)
        .filter("info")
        .output(Output::writer(io::sink()))
        .delivery(Delivery::Blocking)
        .build()
        .expect("nothing of this can fail");
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::set_global_default(subscriber).expect("the first in this process");
    match work {
        "no context" => (0..count).for_each(|_| event()),
        "one span" => {
            let _entered = span().entered();
            (0..count).for_each(|_| event());
        }
        _ => (0..count).for_each(|_| {
            let _entered = span().entered();
            event();
            event();
            event();
        }),
    }
}

fn span() -> tracing::Span {
    info_span!("request", request_id = "0190f6a8-5a5f-7ccc", method = "GET", path = "/orders")
}

fn event() {
    info!(user_id = 123_u64, name = "Alice", ratio = 0.25, "user created");
}
