//! `obs-profile`: looks into running Rust programs, without a change to them and without a restart.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command's output is its purpose")]

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod dump;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod record;

use std::process::ExitCode;

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
fn main() -> ExitCode {
    use clap::{Parser, Subcommand};

    /// Looks into running programs: no change to them, no restart.
    #[derive(Debug, Parser)]
    #[command(name = "obs-profile", version)]
    struct Arguments {
        #[command(subcommand)]
        verb: Verb,
    }

    #[derive(Debug, Subcommand)]
    enum Verb {
        /// Every thread's stack at this moment.
        Dump(dump::Options),
        /// Samples a program for a while: where its CPU time goes.
        Record(record::Options),
    }

    let ended = match Arguments::parse().verb {
        Verb::Dump(options) => dump::run(&options).map_err(Into::into),
        Verb::Record(options) => record::run(&options),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("obs-profile: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
fn main() -> ExitCode {
    eprintln!("obs-profile: not supported here: it needs Linux on x86-64 or 64-bit ARM");
    ExitCode::FAILURE
}
