//! Processes for a profiler to look into.

#![allow(clippy::print_stdout, reason = "it says that it is ready")]

mod built;

pub use built::{Built, THREADS, build, start};

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// This very test program, started again. The child ends with this.
#[derive(Debug)]
pub struct Target(Child);

impl Target {
    /// Runs the test called `child`, which must call [`be_the_target`].
    pub fn start() -> Self {
        Self::start_program(&std::env::current_exe().unwrap())
    }

    /// The same of another test program, or of a copy of this one.
    pub fn start_program(program: &Path) -> Self {
        let mut child = Command::new(program)
            .args(["--exact", "child", "--nocapture"])
            .env("OBS_PROFILING_TARGET", "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("target is ready")));
        // Its standard output stays open, unread.
        std::mem::forget(lines);
        Self(child)
    }

    /// Of the child.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap()
    }

    /// Ends the child, which stays a zombie until it is waited for.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }

    /// Waits until it is gone.
    pub fn wait(&mut self) {
        let _ = self.0.wait();
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.kill();
        self.wait();
    }
}

/// In the child: two parts to one of CPU time in two functions, and twenty threads that wait.
pub fn be_the_target() {
    if std::env::var_os("OBS_PROFILING_TARGET").is_none() {
        return;
    }
    for number in 0..20 {
        let name = format!("waiter-{number}");
        std::thread::Builder::new().name(name).spawn(waits_for_ever).unwrap();
    }
    std::thread::Builder::new().name("burner".into()).spawn(burns).unwrap();
    while WAITING.load(Relaxed) < 20 || waiters_asleep() < 20 {
        std::thread::sleep(Duration::from_millis(20));
    }
    println!("target is ready");
    std::thread::sleep(Duration::from_secs(120));
}

/// On a busy machine, threads take their time to begin.
fn waiters_asleep() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let stats =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("stat")).ok());
    stats.filter(|stat| stat.contains("(waiter-") && stat.contains(") S ")).count()
}

static WAITING: AtomicUsize = AtomicUsize::new(0);

#[inline(never)]
fn waits_for_ever() {
    WAITING.fetch_add(1, Relaxed);
    loop {
        std::thread::sleep(Duration::from_secs(60));
    }
}

fn burns() {
    loop {
        black_box(two_parts());
        black_box(one_part());
    }
}

#[inline(never)]
fn two_parts() -> u64 {
    work(200_000)
}

#[inline(never)]
fn one_part() -> u64 {
    work(100_000)
}

/// From the hasher of the standard library, whose keys are random.
fn random() -> u64 {
    RandomState::new().hash_one(0)
}

/// About so many rounds: work that keeps time with the sampling would be seen askew.
#[inline(always)]
fn work(rounds: u64) -> u64 {
    let rounds = rounds / 2 + random() % rounds;
    let mut sum = 1_u64;
    let mut round = 0;
    while round < rounds {
        sum = black_box((sum ^ round) << 1 | 1);
        round += 1;
    }
    sum
}
