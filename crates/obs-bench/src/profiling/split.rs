//! How near samples come to where a program's CPU time went, which it measures itself.

use std::path::Path;
use std::process::{Command, Stdio};

use obs_profiling::Recorder;

use super::target::Target;
use super::turns::while_recording;

/// Slices of CPU time: ten seconds, at 997 samples a second, put the share within a point of the truth in 95
/// of 100 times.
const SLICES: usize = 100;

pub(super) fn from_truth() -> f64 {
    let mut target = Target::start("burn");
    off_by(&mut target).abs()
}

/// Both one after the other on one program: what lies between is how far each is from its own truth.
pub(super) fn from_perf() -> f64 {
    let mut target = Target::start("burn");
    (off_by(&mut target) - perf_off_by(&mut target).unwrap_or(f64::NAN)).abs()
}

/// Points between the share that our samples tell and the true one.
fn off_by(target: &mut Target) -> f64 {
    let Ok(recorder) = Recorder::attach(target.pid(), 997) else { return f64::NAN };
    let (truth, profile) = while_recording(recorder, || {
        let mut slices = 0..SLICES;
        target.share(|| slices.next().is_some())
    });
    let functions = profile.functions();
    let count = |name: &str| {
        let found = functions.iter().filter(|(function, ..)| function.ends_with(name));
        found.map(|(.., total)| *total).sum::<u64>() as f64
    };
    let (two, one) = (count("two_parts"), count("one_part"));
    100.0 * two / (two + one) - truth
}

fn perf_off_by(target: &mut Target) -> Option<f64> {
    let file = std::env::temp_dir().join(format!("obs-bench-{}.data", std::process::id()));
    let pid = target.pid().to_string();
    let mut perf = Command::new("perf")
        .args(["record", "-q", "-F", "997", "--call-graph", "dwarf,4096", "-e", "cpu-clock:u"])
        .args(["-p", &pid, "-o"])
        .arg(&file)
        .args(["--", "sleep", "10"])
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let truth = target.share(|| perf.try_wait().is_ok_and(|ended| ended.is_none()));
    let share = perf.wait().ok()?.success().then(|| reported(&file)).flatten();
    let _ = std::fs::remove_file(&file);
    Some(share? - truth)
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
