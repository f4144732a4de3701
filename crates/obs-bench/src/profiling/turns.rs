//! Turns of a measurement, and work that is recorded.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use obs_profiling::{Profile, Recorder};

/// With and without.
pub(super) const TURNS: usize = 7;
/// Slices of a turn.
pub(super) const TURN: usize = 5;

/// A slow machine's moods do not outlast its turns.
pub(super) fn median(all: impl Iterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = all.collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Samples on this thread while `work` goes on beside it.
pub(super) fn while_recording<T: Send>(
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
