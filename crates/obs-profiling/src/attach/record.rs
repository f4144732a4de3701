//! Sampling a process for a while.

use std::time::Duration;

use crate::attach::recorder::{Progress, Recorder};
use crate::error::Error;
use crate::profile::Profile;

/// What to sample.
#[derive(Clone, Copy, Debug)]
pub struct Recording {
    /// Samples a second of each thread's CPU time: 99 unless set. A waiting thread gives none.
    pub rate: u32,
    /// For how long: 10 s unless set.
    pub duration: Duration,
}

impl Default for Recording {
    fn default() -> Self {
        Self { rate: 99, duration: Duration::from_secs(10) }
    }
}

/// Samples a process; `go_on` is asked about ten times a second and ends the recording by `false`. A
/// process that ends, ends it too: what was recorded is kept.
///
/// The process is not stopped. [`Recorder`] is the same, with the loop in your hands.
///
/// # Errors
///
/// When there is no such process, or it may not be sampled; the error says what would allow it.
pub fn record(
    pid: i32,
    recording: Recording,
    mut go_on: impl FnMut(Progress) -> bool,
) -> Result<Profile, Error> {
    let mut recorder = Recorder::attach(pid, recording.rate)?;
    loop {
        let progress = recorder.progress();
        let left = recording.duration.saturating_sub(progress.elapsed);
        if left.is_zero() || !go_on(progress) || !recorder.poll(left) {
            return Ok(recorder.finish());
        }
    }
}
