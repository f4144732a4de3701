//! `cargo xtask features`: every published crate compiles without a warning whatever its features are, and uses nothing
//! of std that the oldest supported Rust has not.

use clap::Args;

use crate::error::Failure;
use crate::system::cargo;
use crate::tidy;

/// Which sets of features.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Options {
    /// Each pair of features, too: minutes.
    #[arg(long)]
    pairs: bool,
    /// One crate alone.
    #[arg(short, long)]
    package: Option<String>,
}

/// Of each crate: no feature, each one alone (or each pair), all of them.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let mut failed = Vec::new();
    let mut count = 0;
    for (name, features) in tidy::features()? {
        if options.package.as_ref().is_some_and(|only| *only != name) {
            continue;
        }
        for set in sets(&features, options.pairs) {
            let arguments = ["clippy", "--quiet", "-p", &name, "--no-default-features"];
            let features =
                ["--features", &set, "--", "-D", "warnings", "-D", "clippy::incompatible_msrv"];
            count += 1;
            if cargo(arguments.into_iter().chain(features)).is_err() {
                failed.push(format!("{name} with `{set}`"));
            }
        }
    }
    if failed.is_empty() {
        println!("features: {count} sets, no warning");
        return Ok(());
    }
    Err(Failure::new(format!(
        "{} of {count} sets of features fail: {}",
        failed.len(),
        failed.join("; ")
    )))
}

fn sets(features: &[String], pairs: bool) -> Vec<String> {
    let mut sets = vec![String::new()];
    sets.extend(features.iter().cloned());
    if pairs {
        for (at, one) in features.iter().enumerate() {
            sets.extend(features[at + 1..].iter().map(|other| format!("{one},{other}")));
        }
    }
    if features.len() > if pairs { 2 } else { 1 } {
        sets.push(features.join(","));
    }
    sets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feature_sets_are_none_each_and_all() {
        let features = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(sets(&features, false), ["", "a", "b", "c", "a,b,c"]);
        assert_eq!(sets(&features, true), ["", "a", "b", "c", "a,b", "a,c", "b,c", "a,b,c"]);
        assert_eq!(sets(&features[..1], false), ["", "a"]);
        assert_eq!(sets(&[], true), [""]);
    }
}
