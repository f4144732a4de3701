//! `obs-profile record`.

use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::time::Duration;

use clap::Args;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use obs_profiling::{Format, Profile, Recorder};

use crate::bar::Bar;
use crate::limits::raise_open_files;
use crate::output::Output;
use crate::signals::Signals;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The process; or give a command after `--`.
    #[arg(short, long, required_unless_present = "command", conflicts_with = "command")]
    pid: Option<i32>,
    /// Where to: its ending chooses the format (.svg, .pb.gz, .folded, .speedscope.json, .firefox.json).
    #[arg(short, long)]
    output: PathBuf,
    /// The format, whatever the name: svg, pprof, folded, speedscope or firefox.
    #[arg(long)]
    format: Option<String>,
    /// Seconds: 10 unless given; a command is sampled to its end.
    #[arg(short, long)]
    duration: Option<f64>,
    /// Samples a second of each thread's CPU time.
    #[arg(short, long, default_value_t = 99, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    rate: u32,
    /// The processes that it has started and that it starts, too, and theirs.
    #[arg(long)]
    subprocesses: bool,
    /// A program to start and sample: its exit code is ours.
    #[arg(last = true)]
    command: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let format = match &options.format {
        Some(name) => name.parse()?,
        None => Format::of_file(&options.output)?,
    };
    let asked = options.duration.map(Duration::try_from_secs_f64).transpose()?;
    // Before the time is spent.
    let output = Output::open(&options.output)?;
    raise_open_files();
    let signals = Signals::new()?;
    let Some((program, arguments)) = options.command.split_first() else {
        let pid = options.pid.unwrap_or_default();
        let attach = if options.subprocesses { Recorder::attach_tree } else { Recorder::attach };
        let mut recorder = attach(pid, options.rate)?;
        let duration = asked.unwrap_or(Duration::from_secs(10));
        sample(&mut recorder, Some(duration), || signals.interrupts() + signals.terminations() > 0);
        write(recorder.finish(), format, output, options)?;
        return Ok(ExitCode::SUCCESS);
    };
    let mut command = Command::new(program);
    let spawn = if options.subprocesses { Recorder::spawn_tree } else { Recorder::spawn };
    let (mut recorder, mut child) = spawn(command.args(arguments), options.rate)?;
    let mut relay = Relay::to(&child, &signals);
    sample(&mut recorder, asked, || {
        relay.pass_on();
        // The first Ctrl-C is the program's; who is tired of waiting for it presses another.
        signals.interrupts() > 1
    });
    write(recorder.finish(), format, output, options)?;
    Ok(code(end(&mut child, &mut relay)?))
}

/// Until the time is over, the process ends, or `is_enough`.
fn sample(
    recorder: &mut Recorder,
    duration: Option<Duration>,
    mut is_enough: impl FnMut() -> bool,
) {
    let mut bar = Bar::new(duration);
    loop {
        let progress = recorder.progress();
        let left = duration.unwrap_or(Duration::MAX).saturating_sub(progress.elapsed);
        if left.is_zero() || is_enough() || !recorder.poll(left) {
            break;
        }
        bar.show(progress);
    }
}

fn write(
    profile: Profile,
    format: Format,
    output: Output,
    options: &Options,
) -> Result<(), Box<dyn std::error::Error>> {
    profile.write(format, output.begin()?)?;
    output.keep();
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
    if profile.unsampled > 0 {
        text += &format!(
            "; {} threads of subprocesses may not be sampled: run as their user, or with CAP_PERFMON",
            profile.unsampled
        );
    }
    if !profile.kernel_left_out.is_zero() {
        let seconds = profile.kernel_left_out.as_secs_f64();
        text += &format!(
            "; {seconds:.2} s of CPU time in the kernel are not shown: CAP_PERFMON, or \
             kernel.perf_event_paranoid of 1 or less, would show them"
        );
    }
    if profile.total() == 0 && profile.kernel_left_out.is_zero() {
        text += "; no thread used the processor: `obs-profile dump` shows where they wait";
    }
    eprintln!("{text}");
    Ok(())
}

/// Hands on to the program what it has not got itself.
struct Relay<'a> {
    child: Pid,
    signals: &'a Signals,
    /// Ctrl-C in a terminal goes to the program, too.
    has_terminal: bool,
    passed_on: (usize, usize),
}

impl<'a> Relay<'a> {
    fn to(child: &Child, signals: &'a Signals) -> Self {
        let has_terminal = std::fs::File::open("/dev/tty").is_ok();
        let child = Pid::from_raw(i32::try_from(child.id()).unwrap_or_default());
        Self { child, signals, has_terminal, passed_on: (0, 0) }
    }

    fn pass_on(&mut self) {
        let came = (self.signals.interrupts(), self.signals.terminations());
        if came.0 > self.passed_on.0 && !self.has_terminal {
            let _ = kill(self.child, Signal::SIGINT);
        }
        if came.1 > self.passed_on.1 {
            let _ = kill(self.child, Signal::SIGTERM);
        }
        self.passed_on = came;
    }
}

/// Waits for the program's end, however long it goes on after the recording.
fn end(child: &mut Child, relay: &mut Relay<'_>) -> std::io::Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        relay.pass_on();
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// As shells report it.
fn code(status: ExitStatus) -> ExitCode {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}
