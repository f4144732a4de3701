//! `obs-profile record`.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use obs_profiling::{Format, Profile, Progress, Recording, record};

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The process; or give a command after `--`.
    #[arg(short, long, required_unless_present = "command", conflicts_with = "command")]
    pid: Option<i32>,
    /// Where to: its ending chooses the format (.svg, .pb.gz, .folded, .speedscope.json).
    #[arg(short, long)]
    output: PathBuf,
    /// The format, whatever the name: svg, pprof, folded or speedscope.
    #[arg(long)]
    format: Option<String>,
    /// Seconds; a command is sampled to its end unless this is set.
    #[arg(short, long)]
    duration: Option<f64>,
    /// Samples a second of each thread's CPU time.
    #[arg(short, long, default_value_t = 99)]
    rate: u32,
    /// A program to start and sample.
    #[arg(last = true)]
    command: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    let format = match &options.format {
        Some(name) => name.parse()?,
        None => Format::of_file(&options.output)?,
    };
    // Before the time is spent.
    let file = File::create(&options.output)
        .map_err(|error| format!("{}: {error}", options.output.display()))?;
    let mut child = started(&options.command)?;
    let pid = match &child {
        Some(child) => i32::try_from(child.id())?,
        None => options.pid.unwrap_or_default(),
    };
    let endless = if child.is_some() { Duration::MAX } else { Duration::from_secs(10) };
    let asked = options.duration.map(Duration::try_from_secs_f64).transpose()?;
    let duration = asked.unwrap_or(endless);
    let interrupted = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::clone(&interrupted))?;
    let recording = Recording { rate: options.rate, duration };
    let shows = io::stderr().is_terminal();
    let profile = record(pid, recording, |progress| {
        if shows {
            show(progress, duration);
        }
        !interrupted.load(Ordering::Acquire)
    });
    if shows {
        eprint!("\r\x1b[K");
    }
    if let Some(child) = &mut child
        && interrupted.load(Ordering::Acquire)
    {
        child.wait()?;
    }
    let profile = profile?;
    profile.write(format, BufWriter::new(file))?;
    tell(&profile, options);
    Ok(())
}

fn started(command: &[String]) -> io::Result<Option<Child>> {
    let Some((program, arguments)) = command.split_first() else { return Ok(None) };
    let child = Command::new(program).args(arguments).spawn();
    child.map(Some).map_err(|error| io::Error::new(error.kind(), format!("{program}: {error}")))
}

fn show(progress: Progress, duration: Duration) {
    let elapsed = progress.elapsed.as_secs_f64();
    let share = if duration == Duration::MAX { 0.0 } else { elapsed / duration.as_secs_f64() };
    let filled = (share.clamp(0.0, 1.0) * 30.0) as usize;
    eprint!(
        "\r\x1b[K[{}{}] {elapsed:.1} s, {} samples; Ctrl-C ends and keeps them",
        "=".repeat(filled),
        " ".repeat(30 - filled),
        progress.samples
    );
    let _ = io::stderr().flush();
}

fn tell(profile: &Profile, options: &Options) {
    let mut text = format!(
        "{} samples in {:.1} s, written to {}",
        profile.total(),
        profile.lasted.as_secs_f64(),
        options.output.display()
    );
    if profile.truncated() > 0 {
        text += &format!("; {} with truncated stacks", profile.truncated());
    }
    if profile.lost > 0 {
        text += &format!("; {} lost: try a lower --rate", profile.lost);
    }
    if profile.total() == 0 {
        text += "; no thread used the processor: `obs-profile dump` shows where they wait";
    }
    eprintln!("{text}");
}
