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
        self.skip();
        let mut slices: Vec<f64> = (0..slices).map(|_| self.slice()[0]).collect();
        slices.sort_by(f64::total_cmp);
        slices[slices.len() / 2]
    }

    /// The share of the greater part of `burn`, in per cent of the CPU time of both, while `goes_on`.
    pub(crate) fn share(&mut self, mut goes_on: impl FnMut() -> bool) -> f64 {
        self.skip();
        let (mut two, mut one) = (0.0, 0.0);
        while goes_on() {
            let [_, of_two, of_one] = self.slice();
            (two, one) = (two + of_two, one + of_one);
        }
        100.0 * two / (two + one)
    }

    /// What was begun before, and lines that were not read then.
    fn skip(&mut self) {
        let begun = Instant::now();
        while begun.elapsed() < 2 * SLICE {
            self.slice();
        }
    }

    /// Nanoseconds of an iteration, and of each part of all its iterations.
    fn slice(&mut self) -> [f64; 3] {
        let line = self.line();
        let mut words = line.split_whitespace().map(|word| word.parse().expect("a number"));
        [(); 3].map(|()| words.next().expect("three of them"))
    }

    /// Nanoseconds that the clock of `threads` stood still at most, since this was last asked.
    pub(crate) fn longest_gap(&mut self) -> f64 {
        self.input.write_all(b"\n").expect("a target that listens");
        self.number()
    }

    fn number(&mut self) -> f64 {
        self.line().trim().parse().expect("a number")
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("a target that speaks");
        line
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
    static MAX_GAP: AtomicU64 = AtomicU64::new(0);
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
            MAX_GAP.fetch_max(gap, Ordering::Relaxed);
            before = now;
        }
    };
    std::thread::Builder::new().name("clock".into()).spawn(clock).expect("a thread");
    std::thread::sleep(Duration::from_millis(300));
    println!("0");
    for _ in std::io::stdin().lines() {
        println!("{}", MAX_GAP.swap(0, Ordering::Relaxed));
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

/// About two parts of CPU time in one function, one in another: how much exactly is told.
fn burn() {
    println!("0");
    loop {
        let slice = slice(SLICE);
        println!("{} {} {}", slice.iteration, slice.two.as_nanos(), slice.one.as_nanos());
    }
}

/// What a slice of CPU time went into.
pub(super) struct Slice {
    /// Nanoseconds.
    pub(super) iteration: f64,
    two: Duration,
    one: Duration,
}

pub(super) fn slice(length: Duration) -> Slice {
    let (mut two, mut one, mut rounds) = (Duration::ZERO, Duration::ZERO, 0_u64);
    while two + one < length {
        let begun = cpu_time();
        rounds += two_parts();
        let between = cpu_time();
        rounds += one_part();
        two += between.saturating_sub(begun);
        one += cpu_time().saturating_sub(between);
    }
    let iteration = (two + one).as_nanos() as f64 * 300_000.0 / rounds as f64;
    Slice { iteration, two, one }
}

#[inline(never)]
fn two_parts() -> u64 {
    black_box(work(200_000))
}

#[inline(never)]
fn one_part() -> u64 {
    black_box(work(100_000))
}

/// About so many rounds, and exactly how many: work that keeps time with the sampling is seen askew. The
/// same instructions for both parts.
#[inline(never)]
fn work(about: u64) -> u64 {
    let rounds = about / 2 + obs_context::random_u64() % about;
    black_box((0..rounds).fold(1_u64, |sum, round| black_box((sum ^ round) << 1 | 1)));
    rounds
}
