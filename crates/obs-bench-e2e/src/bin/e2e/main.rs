//! `cargo xtask bench e2e`: the same service under the same load, with our telemetry and with the stock
//! crates'.
//!
//! What is told is the CPU time of the server for 10,000 requests, to the end of its process, so that what
//! its background threads do counts too; requests a second at saturation; latencies at a fixed rate; and
//! whether every line, span and counted request is there.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command's output is its purpose")]

mod allocations;
mod calls;
mod case;
mod collector;
mod load;
mod measure;
mod server;
mod table;
mod wakeups;

use std::process::ExitCode;

use clap::Parser;
use obs_bench_e2e::Failure;

use crate::case::{Case, Telemetry};
use crate::collector::Collector;
use crate::measure::{Measured, measure};

/// Measures the whole service and prints the table.
#[derive(Debug, Parser)]
struct Arguments {
    /// Requests of one run.
    #[arg(long, default_value_t = 30_000)]
    requests: usize,
    /// Runs of each case; the least CPU time, the least latencies and the highest rate of them are told.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Requests a second of the latency runs.
    #[arg(long, default_value_t = 2_000)]
    rate: usize,
    /// Only the cases whose name contains this, and the bare ones; a bar of the others is missed.
    #[arg(long, value_name = "PART", default_value = "")]
    only: String,
    /// Leave out the cases with the query, which differ most from run to run.
    #[arg(long)]
    without_query: bool,
    /// Count the allocations of a request alone, of one client.
    #[arg(long)]
    allocations: bool,
    /// Count the wake-ups of threads and the system calls of a request alone, at the rate.
    #[arg(long)]
    wakeups: bool,
    /// Print the rows and the bars as JSON.
    #[arg(long)]
    json: bool,
    /// Exit with 1 when a bar is missed.
    #[arg(long)]
    check: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments).await {
        Ok(all_met) if all_met || !arguments.check => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<bool, Failure> {
    let collector = Collector::start().await?;
    if arguments.allocations {
        return allocations::run(&collector).await;
    }
    if arguments.wakeups {
        return wakeups::run(&collector, arguments.rate).await;
    }
    let mut cases = Case::all();
    cases.retain(|case| {
        let is_chosen =
            case.telemetry == Telemetry::Bare || case.to_string().contains(&arguments.only);
        is_chosen && !(arguments.without_query && case.with_query)
    });
    let mut measured: Vec<Option<Measured>> = cases.iter().map(|_| None).collect();
    for round in 1..=arguments.rounds.max(1) {
        for (case, best) in cases.iter().zip(&mut measured) {
            eprintln!("round {round}: {case} ...");
            let latest = measure(case, &collector, arguments.requests, arguments.rate).await?;
            match best {
                Some(best) => best.keep_better(latest),
                None => *best = Some(latest),
            }
        }
    }
    let measured: Vec<(Case, Measured)> =
        cases.into_iter().zip(measured).filter_map(|(case, one)| Some((case, one?))).collect();
    let bars = table::Bars::of(&measured);
    match arguments.json {
        true => println!("{}", table::json(&measured, &bars)),
        false => print!("{}{bars}", table::text(&measured)),
    }
    Ok(bars.all_met())
}
