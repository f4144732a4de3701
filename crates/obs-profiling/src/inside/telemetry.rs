//! The profiler's own metrics.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use obs_context::{Sample, SampleKind, Source};

use crate::inside::timers;

/// Counts of all CPU profiles that this process took of itself.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) profiles: AtomicU64,
    pub(crate) samples: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) truncated: AtomicU64,
    pub(crate) unlabelled: AtomicU64,
    /// Nanoseconds.
    pub(crate) handling: AtomicU64,
    pub(crate) unwinding: AtomicU64,
}

pub(crate) static COUNTS: Counts = Counts {
    profiles: AtomicU64::new(0),
    samples: AtomicU64::new(0),
    lost: AtomicU64::new(0),
    truncated: AtomicU64::new(0),
    unlabelled: AtomicU64::new(0),
    handling: AtomicU64::new(0),
    unwinding: AtomicU64::new(0),
};

/// The profiler's numbers about itself, of this process: samples taken, lost and truncated, timers that
/// run, and the time that it took.
pub fn source() -> Arc<dyn Source> {
    Arc::new(Numbers)
}

struct Numbers;

impl Source for Numbers {
    fn collect(&self, sink: &mut dyn FnMut(Sample<'_>)) {
        let mut sample = |name, help, kind, value| {
            sink(Sample { name, help, kind, labels: &[], value });
        };
        let counters = [
            ("obs_profile_profiles_total", "CPU profiles begun.", &COUNTS.profiles, 1.0),
            ("obs_profile_samples_total", "CPU samples taken.", &COUNTS.samples, 1.0),
            (
                "obs_profile_samples_lost_total",
                "CPU samples for which there was no room.",
                &COUNTS.lost,
                1.0,
            ),
            (
                "obs_profile_samples_truncated_total",
                "CPU samples whose stack does not reach its thread's beginning.",
                &COUNTS.truncated,
                1.0,
            ),
            (
                "obs_profile_samples_unlabelled_total",
                "CPU samples that lost their ids because there were too many different ones.",
                &COUNTS.unlabelled,
                1.0,
            ),
            (
                "obs_profile_handler_seconds_total",
                "Time spent in the signal handler.",
                &COUNTS.handling,
                1e-9,
            ),
            (
                "obs_profile_unwind_seconds_total",
                "Time spent unwinding, on the profiler's own thread.",
                &COUNTS.unwinding,
                1e-9,
            ),
        ];
        for (name, help, count, unit) in counters {
            sample(name, help, SampleKind::Counter, count.load(Relaxed) as f64 * unit);
        }
        let alive = timers::ALIVE.load(Relaxed) as f64;
        sample("obs_profile_timers", "Threads that are being sampled.", SampleKind::Gauge, alive);
    }
}
