//! `cargo xtask bench`: what our pillars cost beside their peers.
//!
//! Every contender of every row runs in a process of its own, so that neither finds the other's callsite
//! caches, threads or heap; the processes of a row alternate, and the row shows the median of the ratios
//! of neighbours with their spread. A process measures the CPU time of its thread.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command's output is its purpose")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that cannot be set up has nothing to say"
)]

mod errors;
mod health;
mod logging;
mod measure;
mod metrics;
mod metrics_peers;
mod metrics_scrape;
mod parallel;
mod profiling;
mod row;
mod table;
mod tracing;
mod tracing_export;
mod tracing_logfire;
mod tracing_process;

use std::process::ExitCode;

use clap::Parser;

use crate::row::Row;

/// Measures against the peers and prints the table of ratios.
#[derive(Debug, Parser)]
struct Arguments {
    /// One pillar only: logging, metrics, tracing, health, profiling or errors.
    pillar: Option<String>,
    /// Print the rows as JSON.
    #[arg(long)]
    json: bool,
    /// Exit with 1 when a bar is missed.
    #[arg(long)]
    check: bool,
    /// How many pairs of processes a row is measured with.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Measure one contender and print its nanoseconds: what the processes of a row are started with.
    #[arg(long, hide = true, num_args = 2, value_names = ["ROW", "CONTENDER"])]
    contender: Option<Vec<String>>,
    /// Be a program to look into.
    #[arg(long, hide = true, value_name = "KIND")]
    target: Option<String>,
    /// Take spans over gRPC: what the contenders of an export send to.
    #[arg(long, hide = true)]
    receiver: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.receiver {
        return tracing_export::receive();
    }
    if let Some(kind) = arguments.target.as_deref() {
        profiling::be_target(kind);
        return ExitCode::SUCCESS;
    }
    let rows: Vec<Row> = [
        logging::rows(),
        metrics::rows(),
        metrics_scrape::rows(),
        metrics_peers::rows(),
        tracing::rows(),
        tracing_logfire::rows(),
        tracing_process::rows(),
        tracing_export::rows(),
        health::rows(),
        errors::rows(),
        profiling::rows(),
    ]
    .concat();
    if let Some([row, contender]) = arguments.contender.as_deref() {
        return row::measure_here(&rows, row, contender);
    }
    let wanted = |row: &&Row| arguments.pillar.as_deref().is_none_or(|pillar| pillar == row.pillar);
    let wanted: Vec<&Row> = rows.iter().filter(wanted).collect();
    if wanted.is_empty() {
        eprintln!("no such pillar: give logging, metrics, tracing, health, profiling or errors");
        return ExitCode::FAILURE;
    }
    // Each row as soon as it is measured: all of them take many minutes.
    let tell = |text: String| {
        if !arguments.json {
            print!("{text}");
        }
    };
    tell(table::head());
    let mut results = Vec::new();
    for row in wanted {
        eprintln!("measuring {} {} ...", row.pillar, row.work);
        match row.compare(arguments.rounds.max(1)) {
            Ok(result) => {
                tell(table::row(&result));
                results.push(result);
            }
            Err(error) => {
                eprintln!("{} {}: {error}", row.pillar, row.work);
                return ExitCode::FAILURE;
            }
        }
    }
    tell(table::summary(&results));
    if arguments.json {
        println!("{}", table::json(&results));
    }
    let missed = results.iter().any(|result| !result.met());
    if arguments.check && missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
