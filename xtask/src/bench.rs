//! `cargo xtask bench`: our ratios to the peers, measured in the same run.

use clap::Args;

use crate::error::Failure;
use crate::system::cargo;

/// What is measured.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Options {
    /// One part only: logging, metrics, tracing, health, profiling or errors; or e2e: a whole service with our
    /// telemetry, and the same with the stock crates', under load; or allocations: those that our telemetry adds
    /// to a request, in a build without optimisation; or wakeups: those of threads, and system calls, that it
    /// adds at 2,000 requests a second; or off: instructions a request where telemetry is compiled out.
    pillar: Option<String>,
    /// Print the rows as JSON.
    #[arg(long)]
    json: bool,
    /// Exit with 1 when a bar is missed.
    #[arg(long)]
    check: bool,
}

impl Options {
    /// The part that CI holds against its bars: counts, which are the same on any machine.
    pub(crate) fn gate() -> Self {
        Self { pillar: Some("allocations".to_owned()), json: false, check: true }
    }
}

impl Options {
    /// What the build without telemetry costs: counts, too.
    pub(crate) fn off() -> Self {
        Self { pillar: Some("off".to_owned()), json: false, check: true }
    }
}

/// Builds the benchmarks optimised, with the peers, and runs them.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    if options.pillar.as_deref() == Some("off") {
        return cargo(["bench", "--quiet", "-p", "obs-off", "--bench", "instructions"]);
    }
    let mut arguments = vec!["run", "--quiet", "--release"];
    if options.pillar.as_deref() == Some("allocations") {
        // A count, which a quick build has, too.
        cargo(["build", "--quiet", "-p", "obs-bench-e2e"])?;
        arguments = vec!["run", "--quiet", "-p", "obs-bench-e2e", "--bin", "e2e", "--"];
        arguments.push("--allocations");
    } else if options.pillar.as_deref() == Some("wakeups") {
        cargo(["build", "--quiet", "--release", "-p", "obs-bench-e2e"])?;
        arguments.extend(["-p", "obs-bench-e2e", "--bin", "e2e", "--", "--wakeups"]);
    } else if options.pillar.as_deref() == Some("e2e") {
        // The two services that it starts.
        cargo(["build", "--quiet", "--release", "-p", "obs-bench-e2e"])?;
        arguments.extend(["-p", "obs-bench-e2e", "--bin", "e2e", "--"]);
    } else {
        arguments.extend(["-p", "obs-bench", "--"]);
        arguments.extend(options.pillar.as_deref());
    }
    if options.json {
        arguments.push("--json");
    }
    if options.check {
        arguments.push("--check");
    }
    cargo(arguments)
}
