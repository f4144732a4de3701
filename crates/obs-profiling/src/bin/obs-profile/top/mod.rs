//! `obs-profile top`.

mod batch;
mod screen;
mod tally;
mod threads;
mod view;

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use obs_profiling::Recorder;

use crate::limits::raise_open_files;
use crate::signals::Signals;
use crate::top::tally::Tally;
use crate::top::threads::{Thread, Threads};

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
    /// End after so many tables.
    #[arg(short = 'n', long, value_name = "TABLES", requires = "batch")]
    count: Option<u64>,
}

/// What is shown.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    pub(crate) pid: i32,
    pub(crate) program: String,
    pub(crate) rate: u32,
    pub(crate) tally: Tally,
    pub(crate) threads: Vec<Thread>,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let delay = Duration::try_from_secs_f64(options.delay)?.max(Duration::from_millis(50));
    if !options.batch && !io::stdout().is_terminal() {
        return Err("standard output is no terminal: give --batch to print tables".into());
    }
    raise_open_files();
    let signals = Signals::new()?;
    let source = Source::of(options, delay)?;
    match options.batch {
        true => batch::run(source, options.count.unwrap_or(u64::MAX), &signals)?,
        false => screen::run(source, &signals)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Samples, and sums them up whenever a view is due.
pub(crate) struct Source {
    recorder: Recorder,
    threads: Threads,
    delay: Duration,
    due: Instant,
    pub(crate) status: Status,
}

impl Source {
    fn of(options: &Options, delay: Duration) -> Result<Self, obs_profiling::Error> {
        let pid = options.pid;
        let program = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        Ok(Self {
            recorder: Recorder::attach(pid, options.rate)?,
            threads: Threads::of(pid),
            delay,
            due: Instant::now() + delay,
            status: Status {
                pid,
                program: program.trim_end().replace(char::is_control, "?"),
                rate: options.rate,
                tally: Tally::default(),
                threads: Vec::new(),
            },
        })
    }

    /// Takes in what has come within at most this time.
    fn poll(&mut self, most: Duration) -> News {
        let left = self.due.saturating_duration_since(Instant::now());
        let goes_on = self.recorder.poll(most.min(left));
        if !goes_on || Instant::now() >= self.due {
            self.due = Instant::now() + self.delay;
            self.status.tally.add(&self.recorder.take());
            self.status.threads = self.threads.read();
            return if goes_on { News::View } else { News::End };
        }
        News::None
    }
}

/// What [`Source::poll`] brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    None,
    /// The status is a new one.
    View,
    /// The process has ended; the status is its last.
    End,
}
