//! CPU profiles of this very process.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use crate::attach::record::Recording;
use crate::error::Error;
use crate::inside::copying::Copying;
use crate::inside::error::Kind;
use crate::inside::profile_slot::ProfileSlot;
use crate::inside::ring::Ring;
use crate::inside::sampling::Sampling;
use crate::inside::signal::{self, RawSample};
use crate::inside::task::{Stop, StopMode, Task};
use crate::profile::Profile;

/// Samples a second and thread; the kernel looks at CPU timers 100 to 1,000 times a second.
const HIGHEST_RATE: u32 = 250;

/// A CPU profile of this process under way: it ends after its duration, or by [`CpuProfiler::finish`].
///
/// It can be awaited, on any runtime. Dropping it ends the profile early and throws it away. There is one
/// at a time in a process.
///
/// Each thread has a timer of its own CPU time, which interrupts it by SIGPROF; the handler copies
/// registers, up to 16 KiB of stack and the [active span](obs_context::active_span).
/// Everything else happens on a thread of the profiler's own. The handler stays installed afterwards and
/// does nothing.
#[derive(Debug)]
#[must_use = "dropping it ends the profile: await it, or call `wait` or `finish`"]
pub struct CpuProfiler(Task<Result<Profile, Error>>);

impl CpuProfiler {
    /// Begins to sample all threads of this process.
    ///
    /// # Errors
    ///
    /// When another profile is being taken, the rate is past 250, another handler of SIGPROF is installed,
    /// or the system refuses timers.
    pub fn start(recording: Recording) -> Result<Self, Error> {
        Self::start_and(recording, |profile| profile).map(Self)
    }

    /// Ends the profile now and blocks until its symbols are read.
    ///
    /// # Errors
    ///
    /// When no thread could be sampled.
    pub fn finish(self) -> Result<Profile, Error> {
        self.0.stop();
        self.wait()
    }

    /// Blocks until the profile has ended by itself.
    ///
    /// # Errors
    ///
    /// When no thread could be sampled.
    pub fn wait(self) -> Result<Profile, Error> {
        self.0.wait().unwrap_or_else(|| Err(Error::from(Kind::Broken)))
    }

    /// As [`CpuProfiler::start`]; `then` makes something of the profile on the profiler's own thread.
    pub(crate) fn start_and<T: Send + 'static>(
        recording: Recording,
        then: impl FnOnce(Result<Profile, Error>) -> T + Send + 'static,
    ) -> Result<Task<T>, Error> {
        let Recording { rate, duration } = recording;
        if !(1..=HIGHEST_RATE).contains(&rate) {
            return Err(Error::from(Kind::Rate { rate, highest: HIGHEST_RATE }));
        }
        let flight = ProfileSlot::begin(duration)?;
        let copying = Copying::of_this_process();
        let copying = copying.map_err(|source| Error::from(Kind::Copy { source }))?;
        signal::install()?;
        let work = move |stop: &Stop| {
            let profile = profile(recording, copying, stop);
            let result = then(profile);
            drop(flight);
            result
        };
        let failed = |source| Error::from(Kind::Thread { source });
        Task::spawn("obs-profiler", work).map_err(failed)
    }
}

impl Future for CpuProfiler {
    type Output = Result<Profile, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let result = ready!(Pin::new(&mut self.0).poll(context));
        Poll::Ready(result.unwrap_or_else(|| Err(Error::from(Kind::Broken))))
    }
}

/// How often the handlers' slots are emptied, and new threads looked for.
const TICK_INTERVAL: Duration = Duration::from_millis(20);

fn profile(recording: Recording, copying: Copying, stop: &Stop) -> Result<Profile, Error> {
    let ring = Arc::new(Ring::new(slots(), RawSample::empty));
    let mut sampling = Sampling::begin(copying, Arc::clone(&ring), recording.rate)?;
    let begun = Instant::now();
    let end = begun.checked_add(recording.duration);
    loop {
        let tick = Instant::now() + TICK_INTERVAL;
        let next = end.map_or(tick, |end| end.min(tick));
        let is_over = stop.wait_until(next) || end.is_some_and(|end| Instant::now() >= end);
        if is_over && stop.wanted() == StopMode::Nothing {
            return Err(Error::from(Kind::Broken));
        }
        if is_over {
            return sampling.end();
        }
        sampling.tick()?;
    }
}

/// Enough for all processors at the highest rate while this thread waits for one of them.
fn slots() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    processors.saturating_mul(32).clamp(128, 1024)
}
