//! The project's commands.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command's output is its purpose")]

mod assets;
mod bench;
mod ci;
mod demo;
mod error;
mod features;
mod platforms;
mod scenario;
mod screenshot;
mod system;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::Failure;
use crate::system::{cargo, program};

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
    /// Run the service that the W3C trace-context suite calls.
    TraceContextService {
        /// The port on 127.0.0.1.
        #[arg(long, default_value_t = 5050)]
        port: u16,
    },
    /// Make the README's picture of the console, of the demo.
    Screenshot,
    /// Check the architecture's invariants.
    Tidy,
    /// Check the rules and dashboards of docs/deploy against what the demo's services show.
    Assets(assets::Options),
    /// Check the published libraries on other platforms, and with the oldest supported Rust.
    Platforms,
    /// Check that each published crate compiles without a warning whatever its features are.
    Features(features::Options),
    /// Run what CI runs.
    Ci,
}

/// Runs until it is interrupted.
fn trace_context_service(port: u16) -> Result<(), Failure> {
    cargo(["build", "--quiet", "-p", "obs-demo", "--bin", "trace-context-service"])?;
    let program = program("trace-context-service")?;
    let bind = format!("127.0.0.1:{port}");
    let status = std::process::Command::new(program)
        .env("BIND", bind)
        .env("OBS_ADMIN_ADDR", "off")
        .env("OBS_SHUTDOWN_PROPAGATION", "0s")
        .status()?;
    if status.success() { Ok(()) } else { Err(Failure::new("the service failed; see above")) }
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Demo(options) => demo::run(&options),
        Command::Test(options) => test::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::TraceContextService { port } => trace_context_service(port),
        Command::Tidy => tidy::run(),
        Command::Assets(options) => assets::run(&options),
        Command::Platforms => platforms::run().and_then(|()| platforms::oldest_rust()),
        Command::Features(options) => features::run(&options),
        Command::Screenshot => screenshot::run(),
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
