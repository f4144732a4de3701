//! Profiling: what looking into a process costs it, beside gdb and perf.

mod target;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use obs_profiling::{Dump, Method, Profile, Recorder, dump};

use crate::row::Row;
use target::Target;
pub(crate) use target::be_target;

/// Slices of CPU time that a program is watched for; the median counts.
const SLICES: usize = 40;

pub(crate) fn rows() -> Vec<Row> {
    let row =
        |work, peer, bar, ours, theirs| Row { pillar: "profiling", work, peer, bar, ours, theirs };
    vec![
        row("dump of 21 threads, wall time", "gdb thread apply all bt", 0.2, dump_time, gdb_time),
        row("dump, longest stop of a thread", "gdb's stop", 0.05, longest_stop, gdb_stop),
        row("dump, threads a whole stack", "1", 1.0, threads_a_whole_stack, one),
        row("dump --nonstop, threads a whole stack", "1", 1.0 / 0.95, waiting_a_whole_stack, one),
        row(
            "CPU time an iteration, record at 99 Hz",
            "not recorded",
            1.0 / 0.99,
            recorded_99,
            alone,
        ),
        row(
            "CPU time an iteration, record at 997 Hz",
            "perf record -g dwarf",
            1.0,
            recorded_997,
            perf,
        ),
        row("2:1 split, points from the truth", "2 points", 1.0, from_truth, two),
        row("2:1 split, points from perf report", "2 points", 1.0, from_perf, two),
    ]
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
    let longest = stops.map(|thread| thread.stood).max();
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

fn alone() -> f64 {
    Target::start("burn").median(SLICES)
}

fn recorded_99() -> f64 {
    recorded(99)
}

fn recorded_997() -> f64 {
    recorded(997)
}

fn recorded(rate: u32) -> f64 {
    let mut target = Target::start("burn");
    let Ok(recorder) = Recorder::attach(target.pid(), rate) else { return f64::NAN };
    while_recording(recorder, || target.median(SLICES)).0
}

/// Samples on this thread while `work` goes on beside it.
fn while_recording<T: Send>(
    mut recorder: Recorder,
    work: impl FnOnce() -> T + Send,
) -> (T, Profile) {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let working = threads.spawn(|| {
            let done = work();
            is_over.store(true, Ordering::Release);
            done
        });
        while !is_over.load(Ordering::Acquire) {
            recorder.poll(Duration::from_millis(100));
        }
        (working.join().expect("the work"), recorder.finish())
    })
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

fn from_truth() -> f64 {
    (own_share() - 200.0 / 3.0).abs()
}

fn from_perf() -> f64 {
    (own_share() - perf_share().unwrap_or(f64::NAN)).abs()
}

/// Per cent that the greater part has of both, by our samples.
fn own_share() -> f64 {
    let mut target = Target::start("burn");
    let Ok(recorder) = Recorder::attach(target.pid(), 997) else { return f64::NAN };
    let (_, profile) = while_recording(recorder, || target.median(SLICES));
    let functions = profile.functions();
    let count = |name: &str| {
        let found = functions.iter().filter(|(function, ..)| function.ends_with(name));
        found.map(|(.., total)| *total).sum::<u64>() as f64
    };
    let (two, one) = (count("two_parts"), count("one_part"));
    100.0 * two / (two + one)
}

fn perf_share() -> Option<f64> {
    let target = Target::start("burn");
    let file = std::env::temp_dir().join(format!("obs-bench-{}.data", std::process::id()));
    let pid = target.pid().to_string();
    let recorded = Command::new("perf")
        .args(["record", "-q", "-F", "997", "--call-graph", "dwarf,4096", "-e", "cpu-clock:u"])
        .args(["-p", &pid, "-o"])
        .arg(&file)
        .args(["--", "sleep", "4"])
        .stderr(Stdio::null())
        .status()
        .ok()?;
    let share = recorded.success().then(|| reported(&file)).flatten();
    let _ = std::fs::remove_file(&file);
    share
}

fn reported(file: &Path) -> Option<f64> {
    let output = Command::new("perf")
        .args(["report", "--stdio", "--children", "-g", "none", "--sort", "symbol", "-i"])
        .arg(file)
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let share = |name: &str| {
        let line = text.lines().find(|line| line.contains(name))?;
        line.split_whitespace().next()?.trim_end_matches('%').parse::<f64>().ok()
    };
    let (two, one) = (share("two_parts")?, share("one_part")?);
    Some(100.0 * two / (two + one))
}
