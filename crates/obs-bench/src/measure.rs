//! Nanoseconds of CPU time of one operation.

use std::hint::black_box;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

const SLICE: Duration = Duration::from_millis(4);
const SLICES: usize = 60;

/// The cost of `operation` in nanoseconds of this thread's CPU time: the least of many short slices,
/// since whatever disturbs a slice only ever adds to it.
pub(crate) fn nanoseconds<T>(mut operation: impl FnMut() -> T) -> f64 {
    let mut count = 1_u64;
    while slice(count, &mut operation) < SLICE {
        count *= 2;
    }
    let slices = (0..SLICES).map(|_| slice(count, &mut operation).as_nanos() as f64 / count as f64);
    slices.fold(f64::INFINITY, f64::min)
}

fn slice<T>(count: u64, operation: &mut impl FnMut() -> T) -> Duration {
    let begun = cpu_time();
    for _ in 0..count {
        black_box(operation());
    }
    cpu_time().saturating_sub(begun)
}

pub(crate) fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}
