//! Exemplars: the trace of one observation, kept with its value.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, fence};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use obs_context::{ActiveSpan, SpanId, TraceId};

/// An exemplar is replaced after this many milliseconds at the earliest: under load, one observation in
/// many thousands pays for the store.
const MIN_REPLACE_MILLIS: u64 = 10;

/// The trace of one observation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Exemplar {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) value: f64,
    pub(crate) time: Duration,
}

/// The last exemplar of a counter or of a bucket. A writer never waits: while another thread
/// stores, it skips the store.
#[derive(Debug, Default)]
pub(crate) struct ExemplarSlot {
    /// Odd while it is written; 0 before the first.
    version: AtomicU64,
    milliseconds: AtomicU64,
    trace_high: AtomicU64,
    trace_low: AtomicU64,
    span: AtomicU64,
    value: AtomicU64,
}

impl ExemplarSlot {
    /// Keeps this observation, unless the last one is younger than [`MIN_REPLACE_MILLIS`].
    pub(crate) fn store(&self, span: ActiveSpan, value: f64) {
        let now = milliseconds_now();
        let last = self.milliseconds.load(Relaxed);
        if now < last.saturating_add(MIN_REPLACE_MILLIS) && last <= now {
            return;
        }
        let version = self.version.load(Relaxed);
        let taken = version.is_multiple_of(2)
            && self.version.compare_exchange(version, version + 1, AcqRel, Relaxed).is_ok();
        if !taken {
            return;
        }
        fence(Release);
        let trace_id = span.trace_id.get();
        self.milliseconds.store(now, Relaxed);
        self.trace_high.store((trace_id >> 64) as u64, Relaxed);
        self.trace_low.store(trace_id as u64, Relaxed);
        self.span.store(span.span_id.get(), Relaxed);
        self.value.store(value.to_bits(), Relaxed);
        self.version.store(version + 2, Release);
    }

    /// The exemplar, if there is one and no thread is writing it.
    pub(crate) fn load(&self) -> Option<Exemplar> {
        for _ in 0..8 {
            let version = self.version.load(Acquire);
            if version == 0 {
                return None;
            }
            let trace_id = u128::from(self.trace_high.load(Relaxed)) << 64
                | u128::from(self.trace_low.load(Relaxed));
            let exemplar = Exemplar {
                trace_id: TraceId::new(trace_id),
                span_id: SpanId::new(self.span.load(Relaxed)),
                value: f64::from_bits(self.value.load(Relaxed)),
                time: Duration::from_millis(self.milliseconds.load(Relaxed)),
            };
            fence(Acquire);
            if version.is_multiple_of(2) && self.version.load(Relaxed) == version {
                return Some(exemplar);
            }
        }
        None
    }
}

/// Milliseconds since the epoch.
pub(crate) fn milliseconds_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
