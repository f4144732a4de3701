//! `cargo xtask test`: everything that proves the workspace.

use clap::Args;

use crate::error::Failure;
use crate::scenario;
use crate::system::cargo;

/// The benchmarks have no tests, and minutes of peers to compile; the features of obs-off must not be united with
/// the others'.
pub(crate) const WITHOUT_BENCHMARKS: [&str; 6] =
    ["--exclude", "obs-bench", "--exclude", "obs-bench-e2e", "--exclude", "obs-off"];

/// What is run.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Options {
    /// Only the scenarios whose name contains this, and no unit tests.
    #[arg(long, value_name = "PART")]
    scenario: Option<String>,
}

/// Unit, property, integration and documentation tests of every crate, then the scenarios across them.
///
/// Tests that need a peer which is not installed say `skipped` and why; with `OBS_REQUIRE_PEERS=1` they
/// fail instead. What no package can change (privileges, namespaces, a compiler's target) leaves a test out
/// either way, which it says.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    if options.scenario.is_none() {
        let tests = ["test", "--quiet", "--workspace", "--all-features", "--no-fail-fast"];
        cargo(tests.into_iter().chain(WITHOUT_BENCHMARKS))?;
    }
    scenario::run(options.scenario.as_deref())
}
