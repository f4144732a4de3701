//! CPU time in the kernel, and names as other tools read them.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

mod work;

use std::io::{Read, Seek, SeekFrom};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use obs_profiling::{Format, Profile, Recording, record};

/// What the child runs: nearly all of its CPU time is the kernel's.
#[inline(never)]
fn reads_zeros() {
    let mut zeros = std::fs::File::open("/dev/zero").unwrap();
    let mut buffer = vec![0_u8; 1 << 20];
    loop {
        zeros.read_exact(&mut buffer).unwrap();
        zeros.seek(SeekFrom::Start(0)).unwrap();
    }
}

trait Run {
    fn run(&self, rounds: u64) -> u64;
}

struct Left;
struct Right;

fn spin(rounds: u64, step: u64) -> u64 {
    (0..rounds).fold(step, |sum, round| std::hint::black_box(sum.wrapping_mul(step) ^ round))
}

impl Run for Left {
    #[inline(never)]
    fn run(&self, rounds: u64) -> u64 {
        spin(rounds, 3)
    }
}

impl Run for Right {
    #[inline(never)]
    fn run(&self, rounds: u64) -> u64 {
        spin(rounds, 5)
    }
}

#[test]
fn child() {
    match std::env::var("OBS_TEST_CHILD").as_deref() {
        Ok("reads") => reads_zeros(),
        Ok("runs") => loop {
            let runs: [&dyn Run; 2] = [&Left, &Right];
            runs.iter().for_each(|run| _ = std::hint::black_box(run.run(100_000)));
        },
        _ => {}
    }
}

struct Target(Child);

impl Target {
    fn start(kind: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child", "--nocapture"]).env("OBS_TEST_CHILD", kind);
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn profile(&self, samples: u64) -> Option<Profile> {
        let recording = Recording { rate: 997, duration: Duration::from_secs(60) };
        let pid = i32::try_from(self.0.id()).unwrap();
        let mut left = 600; // looks, ten a second
        match record(pid, recording, |progress| {
            left -= 1;
            progress.samples < samples && left > 0
        }) {
            Ok(profile) => Some(profile),
            Err(error) if error.is_denied() => {
                obs_testing::skipped(error);
                None
            }
            Err(error) => panic!("{error}"),
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn kernel_time_is_charged_to_caller_or_counted_as_left_out() {
    let target = Target::start("reads");
    let Some(profile) = target.profile(500) else { return };
    if !profile.kernel_left_out.is_zero() {
        // Where the kernel may not be sampled, the profile says how much is missing.
        assert!(profile.kernel_left_out > Duration::from_millis(100), "{profile:?}");
        obs_testing::impossible("time in the kernel: perf_event_paranoid forbids to sample it");
        return;
    }
    assert!(profile.total() >= 500, "{} samples", profile.total());
    let functions = profile.functions();
    let at_work = functions.iter().find(|(name, ..)| name.contains("reads_zeros"));
    let (_, _, total) = at_work.unwrap_or_else(|| panic!("{functions:?}"));
    assert!(total * 10 > profile.total() * 9, "{total} of {}", profile.total());
    let in_kernel = profile.samples.iter().filter(|sample| {
        sample.stack.frames.first().is_some_and(|frame| &*frame.module == "[kernel]")
    });
    let in_kernel: u64 = in_kernel.map(|sample| sample.count).sum();
    assert!(in_kernel * 2 > profile.total(), "{in_kernel} of {}", profile.total());
}

#[test]
fn trait_implementations_are_separate_in_pprof() {
    let target = Target::start("runs");
    let Some(profile) = target.profile(300) else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.pb.gz");
    profile.write(Format::Pprof, std::fs::File::create(&path).unwrap()).unwrap();
    let Some(go) = work::go() else { return };
    let shown = Command::new(go).args(["tool", "pprof", "-top"]).arg(&path).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    for name in ["<kernel::Left as kernel::Run>::run", "<kernel::Right as kernel::Run>::run"] {
        assert!(shown.contains(name), "{name}: {shown}");
    }
}
