//! `cargo xtask ci`: what CI runs, in the order in which a failure is cheapest.

use std::io::ErrorKind;
use std::process::Command;
use std::time::Instant;

use crate::error::{During, Failure};
use crate::system::{cargo, free_disk, installed, target, workspace};
use crate::{bench, demo, features, platforms, test, tidy};

pub(crate) fn run() -> Result<(), Failure> {
    step("format", || cargo(["fmt", "--all", "--check"]))?;
    step("tidy", tidy::run)?;
    step("clippy", || {
        cargo([
            "clippy",
            "--quiet",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--",
            "-D",
            "warnings",
        ])
    })?;
    // Each compiles one small crate after another, and leaves half of two cores idle.
    at_once(
        || step("each feature alone", || features::run(&features::Options::default())),
        || {
            step("the oldest Rust", platforms::oldest_rust)?;
            step("other platforms", platforms::run)?;
            discard(&[platforms::FOLDER])?;
            step("undefined behaviour, by Miri", miri)?;
            discard(&["miri"])
        },
    )?;
    step("packages", || {
        // Each was compiled alone above, and no manifest leaves a file of its folder out. A file from outside of a
        // package would be found by publishing alone: documentation tests include the guides, nothing else does.
        let mut arguments = vec!["package", "--quiet", "--allow-dirty", "--no-verify"];
        let published = tidy::published()?;
        for name in &published {
            arguments.extend(["-p", name]);
        }
        cargo(arguments)
    })?;
    discard(&["package"])?;
    step("documentation", documentation)?;
    step("deny", deny)?;
    step("instructions a log line", || {
        cargo(["bench", "--quiet", "-p", "obs-logging", "--bench", "instructions"])?;
        cargo(["bench", "--quiet", "-p", "obs-all", "--bench", "instructions"])
    })?;
    step("telemetry that is off", || {
        // Optimised, as the benchmark needs them in any case.
        cargo(["test", "--quiet", "--release", "-p", "obs-off"])?;
        cargo(["test", "--quiet", "--release", "-p", "obs-off", "--features", "on"])?;
        bench::run(&bench::Options::off())
    })?;
    step("allocations a request", || bench::run(&bench::Options::gate()))?;
    discard(&["release"])?;
    step("examples", examples)?;
    step("demo", || demo::run(&demo::Options::headless()))?;
    // Last, so that CI's output ends with what the tests say.
    step("test", || test::run(&test::Options::default()))
}

fn step(name: &str, run: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    println!("\n== {name}");
    let started = Instant::now();
    run()?;
    let free = free_disk(&target()?);
    let free = free.map_or_else(String::new, |free| format!(", {free} GB of disk left"));
    eprintln!("== {name}: done in {:.0} s{free}", started.elapsed().as_secs_f64());
    Ok(())
}

/// Runs both, in folders of the target directory of their own.
fn at_once(
    one: impl FnOnce() -> Result<(), Failure> + Send,
    other: impl FnOnce() -> Result<(), Failure> + Send,
) -> Result<(), Failure> {
    std::thread::scope(|scope| {
        let one = scope.spawn(one);
        let other = other();
        let one = one.join().map_err(|_| Failure::new("a step panicked; its text is above"))?;
        one.and(other)
    })
}

/// Removes folders of the target directory that no later step reads: a CI machine's disk is small. Elsewhere they are
/// kept for the next run.
fn discard(folders: &[&str]) -> Result<(), Failure> {
    if std::env::var_os("OBS_REQUIRE_PEERS").is_none() {
        return Ok(());
    }
    let target = target()?;
    for folder in folders {
        match std::fs::remove_dir_all(target.join(folder)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

fn documentation() -> Result<(), Failure> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args([
            "doc",
            "--quiet",
            "--workspace",
            "--exclude",
            "obs-bench",
            "--exclude",
            "obs-bench-e2e",
            "--no-deps",
            "--all-features",
        ])
        .env("RUSTDOCFLAGS", "-Dwarnings")
        .current_dir(workspace())
        .status()?;
    match status.success() {
        true => Ok(()),
        false => Err(Failure::new("the documentation has warnings; they are above")),
    }
}

fn deny() -> Result<(), Failure> {
    if installed("cargo-deny").is_some() {
        return cargo(["deny", "--log-level", "error", "check", "bans", "licenses", "sources"]);
    }
    match std::env::var_os("OBS_REQUIRE_PEERS") {
        Some(_) => Err(Failure::new("cargo-deny is missing: cargo install cargo-deny --locked")),
        None => {
            println!("skipped: cargo-deny is not installed (cargo install cargo-deny --locked)");
            Ok(())
        }
    }
}

/// What Miri can run of the modules with `unsafe` in a minute: where it is not to be had, it is left out.
fn miri() -> Result<(), Failure> {
    const TESTS: [&[&str]; 4] = [
        &["-p", "obs-metrics", "--lib", "retired_value"],
        &["-p", "obs-metrics", "--test", "limits", "removed_series"],
        &["-p", "obs-metrics", "--test", "expiry", "retain"],
        &["-p", "obs-context", "--test", "active_span", "--", "--skip", "signal"],
    ];
    // The workspace's toolchain is pinned, by this variable too where rustup started us.
    let nightly = |arguments: &[&str]| {
        let mut command = Command::new("rustup");
        command.args(["run", "nightly", "cargo", "miri"]).args(arguments).current_dir(workspace());
        command.env("MIRIFLAGS", "-Zmiri-disable-isolation").env_remove("RUSTUP_TOOLCHAIN");
        command
    };
    if !nightly(&["--version"]).output().is_ok_and(|output| output.status.success()) {
        println!("left out: Miri is not installed (rustup component add miri --toolchain nightly)");
        return Ok(());
    }
    for test in TESTS {
        let mut command = nightly(&[&["test", "--quiet"], test].concat());
        let status = command.env("CARGO_TARGET_DIR", target()?.join("miri")).status()?;
        if !status.success() {
            return Err(Failure::new(format!("Miri found a fault in {test:?}; it is above")));
        }
    }
    Ok(())
}

/// Every example of every crate, run to its end.
fn examples() -> Result<(), Failure> {
    // All at once, with the features that the tests have: they take most of it from here.
    let mut arguments = vec!["build", "--quiet", "--workspace", "--all-features", "--examples"];
    arguments.extend(test::WITHOUT_BENCHMARKS);
    cargo(arguments)?;
    for (package, example) in tidy::examples()? {
        println!("example {package}/{example}");
        let program = target()?.join("debug/examples").join(&example);
        let status = Command::new(&program).current_dir(workspace()).status().during(&example)?;
        if !status.success() {
            return Err(Failure::new(format!("the example {package}/{example} failed: {status}")));
        }
    }
    Ok(())
}
