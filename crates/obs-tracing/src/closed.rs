//! Detects reused ids: the Registry gives the id of a closed span to a later one, and a thread that
//! cached the old span must not take it for the new one.
//!
//! A thread caches a few spans that it is not in: those that it made or exited last, one for each depth. Closing
//! a span where it is cached removes it there. Where another thread may have cached it, too, the close increments
//! a counter chosen by the span's id; a cached span is used only while its counter is unchanged. That is every
//! span that is closed where it is not cached, and every one that a thread entered which did not make it
//! (`Record::entered_elsewhere`).

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

/// Spans that share a number make one another look up what they could have known.
const COUNTERS: usize = 256;

static CLOSE_COUNTS: [AtomicU32; COUNTERS] = [const { AtomicU32::new(0) }; COUNTERS];

/// Incremented before the id is reused. Handing the later span to a thread also publishes the change, so
/// `Relaxed` is enough.
#[inline]
pub(crate) fn count(id: u64) -> u32 {
    counter(id).load(Relaxed)
}

/// The span of this id was closed.
#[inline]
pub(crate) fn increment(id: u64) {
    counter(id).fetch_add(1, Relaxed);
}

#[inline]
fn counter(id: u64) -> &'static AtomicU32 {
    &CLOSE_COUNTS[(id ^ (id >> 38)) as usize % COUNTERS]
}
