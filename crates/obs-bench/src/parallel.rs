//! The cost of an operation that two threads do at the same moment.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_setaffinity};

use crate::measure::cpu_time;

const SLICES: usize = 1000;
/// Shorter than what a busy machine leaves a thread running for.
const SLICE: Duration = Duration::from_micros(500);

struct Slice {
    begun: Instant,
    ended: Instant,
    cpu: Duration,
}

/// The median cost of `operation` in nanoseconds of CPU time of one thread, while another pinned thread
/// does the same. Only slices count in which both ran nearly all the time; without twenty of them there is
/// no answer (NaN).
pub(crate) fn nanoseconds<T>(operation: impl Fn() -> T + Sync) -> f64 {
    let mut count = 1_u64;
    while slice(count, &operation).cpu < SLICE {
        count *= 2;
    }
    let barrier = Barrier::new(2);
    let run = |core: usize| {
        let mut cores = CpuSet::new();
        cores.set(core);
        sched_setaffinity(None, &cores).expect("two cores");
        let slices = (0..SLICES).map(|_| {
            barrier.wait();
            slice(count, &operation)
        });
        slices.collect::<Vec<_>>()
    };
    let (first, second) = std::thread::scope(|scope| {
        let other = scope.spawn(|| run(1));
        (run(0), other.join().expect("no panic"))
    });
    let mut costs: Vec<f64> = first
        .iter()
        .zip(&second)
        .filter(|(a, b)| overlap(a, b) > 0.8)
        .map(|(a, b)| (a.cpu + b.cpu).as_nanos() as f64 / 2.0 / count as f64)
        .collect();
    costs.sort_by(f64::total_cmp);
    eprintln!("{} of {SLICES} slices overlapped", costs.len());
    if costs.len() < 20 { f64::NAN } else { costs[costs.len() / 2] }
}

fn slice<T>(count: u64, operation: &impl Fn() -> T) -> Slice {
    let (begun, before) = (Instant::now(), cpu_time());
    for _ in 0..count {
        black_box(operation());
    }
    Slice { cpu: cpu_time().saturating_sub(before), begun, ended: Instant::now() }
}

/// The share of both slices' time in which both threads ran.
fn overlap(a: &Slice, b: &Slice) -> f64 {
    let all = a.ended.max(b.ended) - a.begun.min(b.begun);
    let both = a.ended.min(b.ended).saturating_duration_since(a.begun.max(b.begun));
    let idle = |slice: &Slice| (slice.ended - slice.begun).saturating_sub(slice.cpu);
    both.saturating_sub(idle(a) + idle(b)).as_secs_f64() / all.as_secs_f64()
}
