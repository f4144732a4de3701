//! What a profile from inside costs the program.

use std::time::Duration;

use obs_profiling::{CpuProfiler, Recording};

use super::target::slice;
use super::turns::{TURN, TURNS, median};

/// How much more CPU time an iteration takes while the program profiles itself: turns with and without.
pub(super) fn in_turns() -> f64 {
    let turns = (0..TURNS).map(|_| {
        let without = turn();
        let recording = Recording { rate: 100, duration: Duration::from_secs(600) };
        let Ok(profiler) = CpuProfiler::start(recording) else { return f64::NAN };
        let with = turn();
        let is_right = profiler.finish().is_ok_and(|profile| profile.total() > 0);
        if is_right { with / without } else { f64::NAN }
    });
    median(turns)
}

/// Nanoseconds of CPU time of an iteration.
fn turn() -> f64 {
    // Reading the unwind tables is done once.
    slice(Duration::from_millis(300));
    median((0..TURN).map(|_| slice(Duration::from_millis(100)).iteration))
}
