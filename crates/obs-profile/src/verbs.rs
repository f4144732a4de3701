//! The command line.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{dump, record, top};

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
    /// Which functions use the processor now, as top(1) shows processes.
    Top(top::Options),
    /// Samples a program for a while: where its CPU time goes.
    Record(record::Options),
}

pub(crate) fn run() -> ExitCode {
    let ended = match Arguments::parse().verb {
        Verb::Dump(options) => dump::run(&options),
        Verb::Top(options) => top::run(&options),
        Verb::Record(options) => record::run(&options),
    };
    ended.unwrap_or_else(|error: Box<dyn std::error::Error>| {
        eprintln!("obs-profile: {error}");
        ExitCode::FAILURE
    })
}
