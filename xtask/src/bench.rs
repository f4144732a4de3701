//! `cargo xtask bench`: our ratios to the peers, measured in the same run.

use clap::Args;

use crate::error::Failure;
use crate::system::cargo;

/// What is measured.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Options {
    /// One pillar only: logging, metrics or tracing.
    pillar: Option<String>,
    /// Print the rows as JSON.
    #[arg(long)]
    json: bool,
    /// Exit with 1 when a bar is missed.
    #[arg(long)]
    check: bool,
}

/// Builds `obs-bench` optimised, with the peers, and runs it.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let mut arguments = vec!["run", "--quiet", "--release", "-p", "obs-bench", "--"];
    arguments.extend(options.pillar.as_deref());
    if options.json {
        arguments.push("--json");
    }
    if options.check {
        arguments.push("--check");
    }
    cargo(arguments)
}
