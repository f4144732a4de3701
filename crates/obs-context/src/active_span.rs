//! The active-span slot: the one place where the pillars meet.
//!
//! A constant-initialised thread-local without a destructor, made of plain atomic words, so that a
//! signal handler may read it at any moment. Its only writer is the thread that owns it.

#![allow(
    unsafe_code,
    reason = "a `&'static str` is kept as two words that a signal handler can read"
)]

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, compiler_fence};
use std::{ptr, slice, str};

use crate::{Route, SpanId, TraceId};

/// What every pillar may know of the span that is active on a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveSpan {
    /// The request that the span belongs to.
    pub trace_id: TraceId,
    /// The span itself.
    pub span_id: SpanId,
    /// Whether the trace is kept. Exemplars, profile labels and links to the trace are made only of
    /// spans that are; log lines carry the ids either way.
    pub sampled: bool,
    /// The span's static name.
    pub name: &'static str,
    /// The route template of the request, where it is known.
    pub route: Option<Route>,
}

struct Slot {
    /// Odd while the words below are being written.
    version: AtomicU32,
    /// Bit 0: sampled; bits 1 to 16: the route's number and one, or 0 for none.
    flags: AtomicU32,
    /// Zero means that no span is active.
    trace_high: AtomicU64,
    trace_low: AtomicU64,
    span: AtomicU64,
    name: AtomicPtr<u8>,
    name_length: AtomicUsize,
}

thread_local! {
    static SLOT: Slot = const {
        Slot {
            version: AtomicU32::new(0),
            flags: AtomicU32::new(0),
            trace_high: AtomicU64::new(0),
            trace_low: AtomicU64::new(0),
            span: AtomicU64::new(0),
            name: AtomicPtr::new(ptr::null_mut()),
            name_length: AtomicUsize::new(0),
        }
    };
}

/// The span that is active on this thread, or `None` outside every span.
///
/// Costs about a nanosecond, takes no lock and allocates nothing. A signal handler may call it: where
/// it interrupts a change of the slot, the answer is `None`, never a mixture of two spans.
#[inline]
pub fn active_span() -> Option<ActiveSpan> {
    SLOT.with(|slot| {
        if slot.version.load(Relaxed) & 1 == 1 {
            return None;
        }
        compiler_fence(std::sync::atomic::Ordering::Acquire);
        let trace_id = u128::from(slot.trace_high.load(Relaxed)) << 64
            | u128::from(slot.trace_low.load(Relaxed));
        if trace_id == 0 {
            return None;
        }
        let flags = slot.flags.load(Relaxed);
        // SAFETY: both words were taken from one `&'static str` in `set_active_span`; the version is
        // even and only this thread writes, so they belong together.
        let name = unsafe {
            str::from_utf8_unchecked(slice::from_raw_parts(
                slot.name.load(Relaxed),
                slot.name_length.load(Relaxed),
            ))
        };
        Some(ActiveSpan {
            trace_id: TraceId::new(trace_id),
            span_id: SpanId::new(slot.span.load(Relaxed)),
            sampled: flags & 1 == 1,
            name,
            route: Route::from_slot(flags >> 1),
        })
    })
}

/// Whether a span is active on this thread and its trace is kept: one load, for what happens far more
/// often than it needs the span.
#[inline]
pub fn active_span_is_sampled() -> bool {
    SLOT.with(|slot| slot.flags.load(Relaxed) & 1 == 1)
}

/// Makes `span` the active one of this thread; `None` empties the slot.
///
/// For the tracing pillar, or an adapter in its place: it calls this whenever a span is entered, and
/// with the former value whenever one is exited. A span with an invalid trace id counts as `None`.
#[inline]
pub fn set_active_span(span: Option<ActiveSpan>) {
    SLOT.with(|slot| {
        let version = slot.version.load(Relaxed);
        slot.version.store(version.wrapping_add(1), Relaxed);
        // One thread, so the compiler is all that could reorder what its signal handler sees.
        compiler_fence(std::sync::atomic::Ordering::SeqCst);
        match span.filter(|span| span.trace_id.is_valid()) {
            Some(span) => {
                let trace_id = span.trace_id.get();
                slot.trace_high.store((trace_id >> 64) as u64, Relaxed);
                slot.trace_low.store(trace_id as u64, Relaxed);
                slot.span.store(span.span_id.get(), Relaxed);
                slot.name.store(span.name.as_ptr().cast_mut(), Relaxed);
                slot.name_length.store(span.name.len(), Relaxed);
                slot.flags
                    .store(Route::to_slot(span.route) << 1 | u32::from(span.sampled), Relaxed);
            }
            None => {
                slot.trace_high.store(0, Relaxed);
                slot.trace_low.store(0, Relaxed);
                slot.flags.store(0, Relaxed);
            }
        }
        compiler_fence(std::sync::atomic::Ordering::SeqCst);
        slot.version.store(version.wrapping_add(2), Relaxed);
    });
}
