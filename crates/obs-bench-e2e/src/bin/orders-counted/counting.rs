//! The system's allocator, and what it was asked for.

#![allow(unsafe_code, reason = "an allocator is one by an unsafe trait")]
#![allow(clippy::print_stderr, reason = "what is traced is printed")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// Counts each allocation, and each growth of one, of all threads.
pub(crate) struct Counting;

static MADE: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);
static IS_TRACING: AtomicBool = AtomicBool::new(false);
static STACKS: Mutex<Vec<(usize, Backtrace)>> = Mutex::new(Vec::new());

thread_local! {
    /// A stack is taken: what it allocates is not counted.
    static IS_BUSY: Cell<bool> = const { Cell::new(false) };
}

// SAFETY: every call is handed on as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

/// Allocations and their bytes.
pub(crate) fn made() -> String {
    format!("{} {}", MADE.load(Relaxed), BYTES.load(Relaxed))
}

fn count(bytes: usize) {
    MADE.fetch_add(1, Relaxed);
    BYTES.fetch_add(bytes as u64, Relaxed);
    if IS_TRACING.load(Relaxed) && IS_BUSY.try_with(|busy| busy.replace(true)) == Ok(false) {
        let stack = Backtrace::force_capture();
        STACKS.lock().unwrap_or_else(PoisonError::into_inner).push((bytes, stack));
        let _ = IS_BUSY.try_with(|busy| busy.set(false));
    }
}

/// Begins to keep stacks, or prints what was kept.
pub(crate) fn trace() {
    if !IS_TRACING.fetch_xor(true, Relaxed) {
        return;
    }
    let _ = IS_BUSY.try_with(|busy| busy.set(true));
    let stacks = std::mem::take(&mut *STACKS.lock().unwrap_or_else(PoisonError::into_inner));
    let mut places = HashMap::<_, usize>::new();
    for (bytes, stack) in stacks {
        *places.entry((bytes, stack.to_string())).or_default() += 1;
    }
    let mut places: Vec<_> = places.into_iter().collect();
    places.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    for ((bytes, stack), times) in places {
        eprintln!("=== {times} times {bytes} bytes\n{stack}");
    }
    let _ = IS_BUSY.try_with(|busy| busy.set(false));
}
