//! Ids that were given back: the Registry gives a closed span's id to a later one, and a thread that kept
//! the former one in mind would take it for the new one.
//!
//! A thread keeps in mind a few spans that it is not in, all of them its own: those that it made or exited
//! last, one for each depth. The one at hand is forgotten when it is closed here. When a span is closed that
//! is not at hand, on this thread or another, its number here changes, which is compared before what was
//! kept is used.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

/// Spans that share a number make one another look up what they could have known.
const NUMBERS: usize = 256;

static CLOSED: [AtomicU32; NUMBERS] = [const { AtomicU32::new(0) }; NUMBERS];

/// Changes before the id is given to another span, where one that does not know it closes it. Whoever hands
/// that span to a thread has made the change known to it, too, so that no ordering of its own is needed.
#[inline]
pub(crate) fn count(id: u64) -> u32 {
    number(id).load(Relaxed)
}

/// The span of this id was closed.
#[inline]
pub(crate) fn add(id: u64) {
    number(id).fetch_add(1, Relaxed);
}

#[inline]
fn number(id: u64) -> &'static AtomicU32 {
    &CLOSED[(id ^ (id >> 38)) as usize % NUMBERS]
}
