//! `obs-profile top`.

mod batch;
mod screen;
mod source;
mod status;
mod tally;
mod threads;
mod view;

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::limits::raise_open_files;
use crate::signals::Signals;
use crate::top::source::Source;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The process.
    #[arg(short, long)]
    pid: i32,
    /// Samples a second of each thread's CPU time.
    #[arg(short, long, default_value_t = 99, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    rate: u32,
    /// Seconds between two views.
    #[arg(short, long, default_value_t = 1.0)]
    delay: f64,
    /// Print tables as text, for a file or another program.
    #[arg(short, long)]
    batch: bool,
    /// End after this many tables.
    #[arg(short = 'n', long, value_name = "TABLES", requires = "batch")]
    count: Option<u64>,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let delay = Duration::try_from_secs_f64(options.delay)?.max(Duration::from_millis(50));
    if !options.batch && !io::stdout().is_terminal() {
        return Err("standard output is no terminal: give --batch to print tables".into());
    }
    raise_open_files();
    let signals = Signals::new()?;
    let source = Source::attach(options.pid, options.rate, delay)?;
    match options.batch {
        true => batch::run(source, options.count.unwrap_or(u64::MAX), &signals)?,
        false => screen::run(source, &signals)?,
    }
    Ok(ExitCode::SUCCESS)
}
