//! Slabs: the words that one thread may write, numbered the same in every thread.
//!
//! A thread takes the smallest free slab when it first counts something, and gives it back when it
//! ends; the next thread goes on where it stopped. Slabs and their pages are never freed, so a reader
//! needs no protection; their number is bounded by the threads that lived at one time.

#![allow(unsafe_code, reason = "pages are reached by pointers that are never freed")]

use std::cell::Cell;
use std::ptr;
use std::sync::PoisonError;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use super::membarrier;
use super::sync::{
    AtomicPtr, AtomicU64, AtomicUsize, MAX_SLABS, Mutex, PAGE_SIZE, PAGES_PER_SLAB, array_of,
    const_fn, local, shared,
};

pub(super) type Page = [AtomicU64; PAGE_SIZE];

/// One thread's words, and whether that thread is reading something that must not be freed. Written by
/// that thread alone.
#[repr(align(128))]
pub(crate) struct Slab {
    /// How many pins the thread holds.
    pub(super) pins: AtomicU64,
    /// How often the last pin was dropped.
    pub(super) unpin_count: AtomicU64,
    /// Whether a pin needs a fence: where the kernel has no barrier.
    pub(super) needs_fence: bool,
    pages: [AtomicPtr<Page>; PAGES_PER_SLAB],
}

impl Slab {
    const_fn! {
        fn new(needs_fence: bool) -> Self {
            let (pins, unpin_count) = (AtomicU64::new(0), AtomicU64::new(0));
            Self { pins, unpin_count, needs_fence, pages: array_of!(AtomicPtr::new(ptr::null_mut()); PAGES_PER_SLAB) }
        }
    }

    pub(super) fn is_pinned(&self) -> bool {
        self.pins.load(Acquire) != 0
    }

    /// The page of this number, if it exists already.
    #[inline(always)]
    pub(super) fn page(&self, number: usize) -> Option<&Page> {
        // Words that live elsewhere have numbers past the last page.
        let page = self.pages.get(number / PAGE_SIZE)?.load(Acquire);
        // SAFETY: a page that was published is never freed or moved.
        unsafe { page.as_ref() }
    }

    /// The word of this number, if its page exists already.
    #[inline(always)]
    pub(super) fn cell(&self, number: usize) -> Option<&AtomicU64> {
        self.page(number).map(|page| &page[number % PAGE_SIZE])
    }

    /// The word of this number, making its page where there is none.
    pub(super) fn cell_or_create(&self, number: usize) -> Option<&AtomicU64> {
        let page = self.pages.get(number / PAGE_SIZE)?;
        if page.load(Acquire).is_null() {
            let new = Box::into_raw(Box::<Page>::new(array_of!(AtomicU64::new(0); PAGE_SIZE)));
            if page.compare_exchange(ptr::null_mut(), new, AcqRel, Acquire).is_err() {
                // SAFETY: it was made above and published nowhere.
                drop(unsafe { Box::from_raw(new) });
            }
        }
        self.cell(number)
    }
}

shared!(static ALL_SLABS: [AtomicPtr<Slab>; MAX_SLABS] = array_of!(AtomicPtr::new(ptr::null_mut()); MAX_SLABS));
shared!(static SLAB_COUNT: AtomicUsize = AtomicUsize::new(0));
shared!(static FREE_SLABS: Mutex<Vec<&'static Slab>> = Mutex::new(Vec::new()));
local!(static CURRENT: Cell<Option<&'static Slab>> = Cell::new(None));
local!(static LEASE: Cell<Option<Lease>> = Cell::new(None));

/// Written by every thread that has no slab of its own, with atomic additions.
pub(super) fn shared_slab() -> &'static Slab {
    shared!(static SHARED_SLAB: Slab = Slab::new(true));
    &SHARED_SLAB
}

/// Gives the slab back when its thread ends.
pub(super) struct Lease(&'static Slab);

impl Drop for Lease {
    fn drop(&mut self) {
        let _ = CURRENT.try_with(|current| current.set(None));
        // A thread that ends while it is pinned has leaked the guard: its slab stays with it.
        if !self.0.is_pinned() {
            FREE_SLABS.lock().unwrap_or_else(PoisonError::into_inner).push(self.0);
        }
    }
}

/// This thread's slab, where it has one already.
#[inline(always)]
pub(super) fn current() -> Option<&'static Slab> {
    CURRENT.with(Cell::get)
}

/// This thread's slab, taking one where it can: not while the thread is ending, and not past the
/// limit.
#[cold]
pub(super) fn current_or_acquire() -> Option<&'static Slab> {
    if let Some(slab) = current() {
        return Some(slab);
    }
    LEASE
        .try_with(|lease| {
            let slab = acquire()?;
            lease.set(Some(Lease(slab)));
            CURRENT.with(|current| current.set(Some(slab)));
            Some(slab)
        })
        .ok()
        .flatten()
}

pub(super) fn acquire() -> Option<&'static Slab> {
    let mut free = FREE_SLABS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(slab) = free.pop() {
        return Some(slab);
    }
    let number = SLAB_COUNT.load(Relaxed);
    let place = ALL_SLABS.get(number)?;
    let slab: &'static Slab = Box::leak(Box::new(Slab::new(!membarrier::is_supported())));
    place.store(ptr::from_ref(slab).cast_mut(), Release);
    SLAB_COUNT.store(number + 1, Release);
    Some(slab)
}

/// Every slab that any thread has had, except the shared one.
pub(super) fn all() -> impl Iterator<Item = &'static Slab> {
    let made = SLAB_COUNT.load(Acquire);
    // SAFETY: slabs are leaked, so a pointer that was published stays good.
    ALL_SLABS.iter().take(made).filter_map(|place| unsafe { place.load(Acquire).as_ref() })
}
