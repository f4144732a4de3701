//! Profiling: what looking into a process costs it, beside gdb and perf.

#[cfg(target_arch = "x86_64")]
mod handler;
mod inside;
#[cfg(target_arch = "x86_64")]
mod modules;
mod split;
mod target;
mod turns;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use obs_profiling::{Dump, Method, Recorder, dump};

use crate::row::Row;
use target::Target;
pub(crate) use target::be_target;
use turns::{TURN, TURNS, median, while_recording};

/// Slices of CPU time that a program is watched for; the median counts.
const SLICES: usize = 40;

pub(crate) fn rows() -> Vec<Row> {
    let row =
        |work, peer, bar, ours, theirs| Row { pillar: "profiling", work, peer, bar, ours, theirs };
    Vec::from([
        row("dump of 21 threads, wall time", "gdb thread apply all bt", 0.2, dump_time, gdb_time),
        row("dump, longest stop of a thread", "gdb's stop", 0.05, longest_stop, gdb_stop),
        row("dump, threads a whole stack", "1", 1.0, threads_a_whole_stack, one),
        row("dump --nonstop, threads a whole stack", "1", 1.0 / 0.95, waiting_a_whole_stack, one),
        row("CPU time, recorded at 99 Hz in turns", "turns without", 1.0 / 0.99, recorded_99, one),
        row(
            "CPU time an iteration, record at 997 Hz",
            "perf record -g dwarf",
            1.0,
            recorded_997,
            perf,
        ),
        row("2:1 split, points from the truth", "2 points", 1.0, split::from_truth, two),
        row("2:1 split, points from perf report", "2 points", 1.0, split::from_perf, two),
        row(
            "CPU time, inside at 100 Hz in turns",
            "turns without",
            1.0 / 0.99,
            inside::in_turns,
            one,
        ),
        #[cfg(target_arch = "x86_64")]
        row(
            "handler, copying",
            "unwinding in the handler",
            1.0 / 3.0,
            handler::copying,
            handler::unwinding,
        ),
    ])
}

fn one() -> f64 {
    1.0
}

fn two() -> f64 {
    2.0
}

fn dump_time() -> f64 {
    let target = Target::start("threads");
    let begun = Instant::now();
    let dump = dump(target.pid(), Method::Stop);
    let took = begun.elapsed();
    dump.map_or(f64::NAN, |_| took.as_nanos() as f64)
}

fn gdb_time() -> f64 {
    let target = Target::start("threads");
    let begun = Instant::now();
    let said = gdb(&target);
    let took = begun.elapsed();
    said.map_or(f64::NAN, |_| took.as_nanos() as f64)
}

fn longest_stop() -> f64 {
    let target = Target::start("threads");
    let stops = dump(target.pid(), Method::Stop).into_iter().flat_map(|dump| dump.threads);
    let longest = stops.map(|thread| thread.paused_for).max();
    longest.map_or(f64::NAN, |longest| longest.as_nanos() as f64)
}

/// As a thread of the program sees it, which does nothing but read the clock.
fn gdb_stop() -> f64 {
    let mut target = Target::start("threads");
    target.longest_gap();
    let said = gdb(&target);
    let gap = target.longest_gap();
    said.map_or(f64::NAN, |_| gap)
}

fn threads_a_whole_stack() -> f64 {
    whole(Method::Stop)
}

fn waiting_a_whole_stack() -> f64 {
    whole(Method::Nonstop)
}

/// Threads that can be read, for each one whose stack is whole.
fn whole(method: Method) -> f64 {
    let target = Target::start("threads");
    let Ok(Dump { threads, .. }) = dump(target.pid(), method) else { return f64::NAN };
    // The one that reads the clock never waits.
    let read = threads.iter().filter(|thread| method == Method::Stop || thread.name != "clock");
    let count = read.clone().count() as f64;
    let is_whole = |stack: &obs_profiling::Stack| stack.is_complete;
    count / read.filter(|thread| thread.stack.as_ref().is_ok_and(is_whole)).count() as f64
}

fn gdb(target: &Target) -> Option<String> {
    let pid = target.pid().to_string();
    let mut command = Command::new("gdb");
    command.args(["-batch", "-nx", "-p", &pid, "-ex", "thread apply all bt"]);
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (said.matches("Thread ").count() >= 20).then_some(said)
}

/// How much more an iteration takes while it is recorded: turns with and without, of one program.
fn recorded_99() -> f64 {
    let mut target = Target::start("burn");
    let turns = (0..TURNS).map(|_| {
        let without = target.median(TURN);
        let Ok(recorder) = Recorder::attach(target.pid(), 99) else { return f64::NAN };
        while_recording(recorder, || target.median(TURN)).0 / without
    });
    median(turns)
}

fn recorded_997() -> f64 {
    let mut target = Target::start("burn");
    let Ok(recorder) = Recorder::attach(target.pid(), 997) else { return f64::NAN };
    while_recording(recorder, || target.median(SLICES)).0
}

fn perf() -> f64 {
    let mut target = Target::start("burn");
    let file = std::env::temp_dir().join(format!("obs-bench-{}.data", std::process::id()));
    let pid = target.pid().to_string();
    let begun = Command::new("perf")
        .args(["record", "-q", "-F", "997", "--call-graph", "dwarf,16384", "-e", "cpu-clock:u"])
        .args(["-p", &pid, "-o"])
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut perf) = begun else { return f64::NAN };
    std::thread::sleep(Duration::from_millis(500));
    let median = target.median(SLICES);
    let size = std::fs::metadata(&file).map_or(0, |file| file.len());
    drop(target);
    // It ends with the process.
    let _ = perf.wait();
    let _ = std::fs::remove_file(&file);
    if size > 0 { median } else { f64::NAN }
}
