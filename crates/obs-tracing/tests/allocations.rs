//! What a span allocates, once everything is warm.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]
#![allow(unsafe_code, reason = "only the allocator knows what is allocated")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use obs_tracing::{Builder, Sampler};
use tracing::{info, info_span};
use tracing_subscriber::prelude::*;

struct Counting;

static ALL: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static MINE: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is the system allocator's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALL.fetch_add(1, Relaxed);
        let _ = MINE.try_with(|mine| mine.set(mine.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer is of the system allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn trace() {
    info_span!("outer", order.id = 7, order.status = "pending").in_scope(|| {
        info!(rows = 4, "half way");
        info_span!("inner", text = "words").in_scope(|| {
            obs_tracing::set_attribute("late", true);
        });
    });
}

/// Allocations a span: of the thread that makes it, and of all others.
fn allocations(sampler: Sampler) -> (f64, f64) {
    const SPANS: f64 = 20_000.0;
    let builder = Builder::new("test").sampler(sampler).export_with(|_, _| Ok(()));
    let (layer, traces) = builder.build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let burst = || {
            (0..100).for_each(|_| trace());
            assert!(traces.flush(Duration::from_secs(30)).complete);
        };
        (0..20).for_each(|_| burst());
        let (all, mine) = (ALL.load(Relaxed), MINE.get());
        (0..100).for_each(|_| burst());
        let mine = (MINE.get() - mine) as f64;
        ((mine / SPANS), ((ALL.load(Relaxed) - all) as f64 - mine) / SPANS)
    })
}

#[test]
fn spans_allocate_within_limits() {
    let (producer, background) = allocations(Sampler::always());
    assert!(producer < 0.05, "{producer} a sampled span where it is made");
    assert!(background < 0.2, "{background} a sampled span on the export thread");
    let (producer, _) = allocations(Sampler::never());
    assert!(producer < 0.02, "{producer} an unsampled span");
}
