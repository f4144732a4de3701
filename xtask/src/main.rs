//! The project's commands.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command's output is its purpose")]

mod bench;
mod ci;
mod demo;
mod error;
mod scenario;
mod system;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The commands of the obs workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start three services and the console, and follow one request through every pillar.
    Demo(demo::Options),
    /// Run everything that proves the workspace: unit, property and integration tests, scenarios.
    Test(test::Options),
    /// Measure against the peers and print the table of ratios.
    Bench(bench::Options),
    /// Check the architecture's invariants.
    Tidy,
    /// Run what CI runs.
    Ci,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Demo(options) => demo::run(&options),
        Command::Test(options) => test::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Tidy => tidy::run(),
        Command::Ci => ci::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}
