//! The allocator: what it does for every allocation, and for those that are sampled.

#![allow(unsafe_code, reason = "an allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};

use crate::inside::heap::live::{self, Sampled};
use crate::inside::heap::stacks;

/// From here on nearly every allocation is looked up when it is freed; below, sampled ones are recognised
/// by their place in a page.
const LARGE: usize = 32 * 1024;
const PAGE: usize = 4096;
/// Bytes until a thread looks again whether sampling has been started.
const OFF: i64 = 64 * 1024;

static INSTALLED: AtomicBool = AtomicBool::new(false);
/// Mean bytes between samples; 0 while it is off.
static MEAN: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Bytes until the next sample. Without a destructor: threads allocate to their very end.
    static LEFT: Cell<i64> = const { Cell::new(0) };
    /// Whether the bytes above were drawn.
    static ARMED: Cell<bool> = const { Cell::new(false) };
    /// The profiler is at work on this thread: what it allocates itself is not sampled.
    static IN_PROFILER: Cell<bool> = const { Cell::new(false) };
}

/// An allocator that takes samples of what passes through it; `A` does the allocating.
#[derive(Debug, Default)]
pub struct Sampling<A = System>(A);

impl Sampling {
    /// Around the system's allocator.
    pub const fn system() -> Self {
        Self(System)
    }
}

impl<A> Sampling<A> {
    /// Around another allocator.
    pub const fn around(allocator: A) -> Self {
        Self(allocator)
    }
}

pub(super) fn is_installed() -> bool {
    INSTALLED.load(Relaxed)
}

pub(super) fn mean() -> u64 {
    MEAN.load(Relaxed)
}

pub(super) fn set_mean(bytes: u64) {
    MEAN.store(bytes, Relaxed);
}

/// Runs `work`; what it allocates is not sampled. `None` when the thread is in here already.
pub(super) fn unsampled<T>(work: impl FnOnce() -> T) -> Option<T> {
    IN_PROFILER.with(|in_profiler| {
        if in_profiler.replace(true) {
            return None;
        }
        let result = work();
        in_profiler.set(false);
        Some(result)
    })
}

// SAFETY: every call is handed to the inner allocator. Small sampled allocations are made larger by their
// offset and freed by the same layout; whether one is such is told by the table of live samples.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Sampling<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_due(layout.size()) {
            // SAFETY: the layout is the caller's, or a larger one.
            return self.sampled(layout, |layout| unsafe { self.0.alloc(layout) });
        }
        // SAFETY: as the caller promises.
        unsafe { self.0.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_due(layout.size()) {
            // SAFETY: the layout is the caller's, or a larger one.
            return self.sampled(layout, |layout| unsafe { self.0.alloc_zeroed(layout) });
        }
        // SAFETY: as the caller promises.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if may_be_sampled(pointer, layout)
            && live::remove(pointer.addr()).is_some()
            && let Some((offset, whole)) = whole(layout)
        {
            // SAFETY: this is how it was allocated.
            return unsafe { self.0.dealloc(pointer.wrapping_sub(offset), whole) };
        }
        // SAFETY: as the caller promises.
        unsafe { self.0.dealloc(pointer, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let is_large = layout.size() >= LARGE;
        if is_large && size >= LARGE {
            // SAFETY: as the caller promises.
            return unsafe { self.realloc_large(pointer, layout, size) };
        }
        if !is_large && !may_be_sampled(pointer, layout) && !is_due(size) {
            // SAFETY: as the caller promises.
            return unsafe { self.0.realloc(pointer, layout, size) };
        }
        // SAFETY: the caller promises that the size is valid for this alignment; the copy stays within both.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !moved.is_null() {
                ptr::copy_nonoverlapping(pointer, moved, layout.size().min(size));
                self.dealloc(pointer, layout);
            }
            moved
        }
    }
}

impl<A: GlobalAlloc> Sampling<A> {
    /// Both sizes are large: the block may stay where it is, or be moved by its pages.
    unsafe fn realloc_large(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Before another thread may get the same place.
        let sample = live::remove(pointer.addr());
        // SAFETY: as the caller promises.
        let moved = unsafe { self.0.realloc(pointer, layout, size) };
        if moved.is_null() {
            if let Some(sample) = sample {
                live::insert(pointer.addr(), sample);
            }
        } else if is_due(size)
            && let Some(sample) = due(size)
        {
            live::insert(moved.addr(), sample);
        }
        moved
    }

    #[cold]
    fn sampled(&self, layout: Layout, allocate: impl Fn(Layout) -> *mut u8) -> *mut u8 {
        let Some(sample) = due(layout.size()) else { return allocate(layout) };
        let Some((offset, whole)) = whole(layout) else {
            let pointer = allocate(layout);
            if !pointer.is_null() {
                live::insert(pointer.addr(), sample);
            }
            return pointer;
        };
        let base = allocate(whole);
        let pointer = base.wrapping_add(offset);
        if base.is_null() || !live::insert(pointer.addr(), sample) {
            if !base.is_null() {
                // SAFETY: it was allocated by this layout above.
                unsafe { self.0.dealloc(base, whole) };
            }
            return allocate(layout);
        }
        pointer
    }
}

/// Counts the bytes; whether a sample is due.
#[inline]
fn is_due(size: usize) -> bool {
    LEFT.with(|left| {
        let rest = left.get() - size as i64;
        left.set(rest);
        rest < 0
    })
}

/// Samples what is being allocated, if that is the thread's lot; draws when the next one is due.
#[cold]
fn due(size: usize) -> Option<Sampled> {
    INSTALLED.store(true, Relaxed);
    let mean = mean();
    if mean == 0 {
        ARMED.with(|armed| armed.set(false));
        LEFT.with(|left| left.set(OFF));
        return None;
    }
    unsampled(|| {
        // A thread's first allocation is no more likely to be taken than others.
        let was_armed = ARMED.with(|armed| armed.replace(true));
        let next = until_next(mean);
        if !was_armed && next > size as i64 {
            LEFT.with(|left| left.set(next - size as i64));
            return None;
        }
        LEFT.with(|left| left.set(if was_armed { next } else { until_next(mean) }));
        stacks::sample(size, mean)
    })?
}

/// Samples come at random with this mean between them, so that no pattern of allocations escapes them.
fn until_next(mean: u64) -> i64 {
    const BITS: u32 = 53;
    let uniform = (obs_context::random_u64() >> (64 - BITS)) as f64 / (1_u64 << BITS) as f64;
    let bytes = -(1.0 - uniform).ln() * mean as f64;
    bytes as i64
}

/// A free is looked up only where it may be of a sample: large blocks, and those that lie where small
/// samples are put.
#[inline]
fn may_be_sampled(pointer: *mut u8, layout: Layout) -> bool {
    let is_like_one = match offset(layout) {
        0 => true,
        offset => pointer.addr() % PAGE == offset,
    };
    is_like_one && live::is_used()
}

/// Where in its page a small sample lies, which few others do; 0 for those that are not moved.
#[inline]
fn offset(layout: Layout) -> usize {
    const LOWEST: usize = 64;
    match layout.align() {
        _ if layout.size() >= LARGE => 0,
        align if align > PAGE / 4 => 0,
        align => align.max(LOWEST),
    }
}

/// The offset of a small sample, and the layout that has room for both.
fn whole(layout: Layout) -> Option<(usize, Layout)> {
    match offset(layout) {
        0 => None,
        offset => {
            let whole = Layout::from_size_align(layout.size() + offset, PAGE).ok()?;
            Some((offset, whole))
        }
    }
}
