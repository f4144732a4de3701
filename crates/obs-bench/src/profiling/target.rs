//! The programs that are looked into: this very program, started again.

use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::measure::cpu_time;

/// Of CPU time.
const SLICE: Duration = Duration::from_millis(100);

/// Ends with this value.
pub(crate) struct Target {
    process: Child,
    input: ChildStdin,
    lines: BufReader<ChildStdout>,
}

impl Target {
    pub(crate) fn start(kind: &str) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut process = Command::new(program)
            .args(["--target", kind])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program, started again");
        let input = process.stdin.take().expect("its input");
        let lines = BufReader::new(process.stdout.take().expect("its output"));
        let mut target = Self { process, input, lines };
        target.number();
        target
    }

    pub(crate) fn pid(&self) -> i32 {
        self.process.id() as i32
    }

    /// Nanoseconds of CPU time of an iteration of `burn`: the median of so many slices from now on.
    pub(crate) fn median(&mut self, slices: usize) -> f64 {
        // What was begun before, and lines that were not read then.
        let begun = Instant::now();
        while begun.elapsed() < 3 * SLICE {
            self.number();
        }
        let mut slices: Vec<f64> = (0..slices).map(|_| self.number()).collect();
        slices.sort_by(f64::total_cmp);
        slices[slices.len() / 2]
    }

    /// Nanoseconds that the clock of `threads` stood still at most, since this was last asked.
    pub(crate) fn longest_gap(&mut self) -> f64 {
        self.input.write_all(b"\n").expect("a target that listens");
        self.number()
    }

    fn number(&mut self) -> f64 {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("a target that speaks");
        line.trim().parse().expect("a number")
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// In the target's process.
pub(crate) fn be_target(kind: &str) {
    match kind {
        "burn" => burn(),
        _ => threads(),
    }
}

/// An async runtime's workers and blocking threads, as services have them, all waiting; and one thread
/// that reads the clock.
fn threads() {
    static LONGEST: AtomicU64 = AtomicU64::new(0);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(8).enable_all().build().expect("a runtime");
    let lock: &'static Mutex<()> = Box::leak(Box::default());
    let held = lock.lock();
    for number in 0..11_u32 {
        runtime.spawn_blocking(move || black_box(nested(lock, number)));
    }
    let clock = || {
        let mut before = Instant::now();
        loop {
            let now = Instant::now();
            let gap = now.duration_since(before).as_nanos() as u64;
            LONGEST.fetch_max(gap, Ordering::Relaxed);
            before = now;
        }
    };
    std::thread::Builder::new().name("clock".into()).spawn(clock).expect("a thread");
    std::thread::sleep(Duration::from_millis(300));
    println!("0");
    for _ in std::io::stdin().lines() {
        println!("{}", LONGEST.swap(0, Ordering::Relaxed));
    }
    drop(held);
}

/// Some depth, so that there is something to unwind.
#[inline(never)]
fn nested(lock: &Mutex<()>, depth: u32) -> u32 {
    if depth == 0 {
        return lock.lock().map_or(1, |_| 2);
    }
    black_box(nested(lock, depth - 1)) + 1
}

/// Two parts of CPU time in one function, one in another.
fn burn() {
    println!("0");
    loop {
        let (begun, mut count) = (cpu_time(), 0_u64);
        let mut took = Duration::ZERO;
        while took < SLICE {
            black_box(two_parts());
            black_box(one_part());
            count += 1;
            took = cpu_time().saturating_sub(begun);
        }
        println!("{}", took.as_nanos() as f64 / count as f64);
    }
}

#[inline(never)]
fn two_parts() -> u64 {
    black_box(work(200_000)).wrapping_add(1)
}

#[inline(never)]
fn one_part() -> u64 {
    black_box(work(100_000)).wrapping_add(1)
}

/// The same instructions for both, so that what they cost is in proportion.
#[inline(never)]
fn work(rounds: u64) -> u64 {
    (0..rounds).fold(1_u64, |sum, round| black_box((sum ^ round) << 1 | 1))
}
