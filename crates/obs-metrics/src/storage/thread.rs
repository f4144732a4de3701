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
    AtomicPtr, AtomicU64, AtomicUsize, Mutex, PAGE, PAGES, SLABS, constant, each, local, shared,
};

pub(super) type Page = [AtomicU64; PAGE];

/// One thread's words, and whether that thread is reading something that must not be freed. Written by
/// that thread alone.
#[repr(align(128))]
pub(crate) struct Slab {
    /// How many pins the thread holds.
    pub(super) pins: AtomicU64,
    /// How often it let go of the last.
    pub(super) times: AtomicU64,
    /// Whether a pin needs a fence.
    pub(super) fences: bool,
    pages: [AtomicPtr<Page>; PAGES],
}

impl Slab {
    constant! {
        fn new(fences: bool) -> Self {
            let (pins, times) = (AtomicU64::new(0), AtomicU64::new(0));
            Self { pins, times, fences, pages: each!(AtomicPtr::new(ptr::null_mut()); PAGES) }
        }
    }

    pub(super) fn is_pinned(&self) -> bool {
        self.pins.load(Acquire) != 0
    }

    /// The page of this number, if it exists already.
    #[inline(always)]
    pub(super) fn page(&self, number: usize) -> Option<&Page> {
        // Words that live elsewhere have numbers past the last page.
        let page = self.pages.get(number / PAGE)?.load(Acquire);
        // SAFETY: a page that was published is never freed or moved.
        unsafe { page.as_ref() }
    }

    /// The word of this number, if its page exists already.
    #[inline(always)]
    pub(super) fn word(&self, number: usize) -> Option<&AtomicU64> {
        self.page(number).map(|page| &page[number % PAGE])
    }

    /// The word of this number, making its page where there is none.
    pub(super) fn word_or_make(&self, number: usize) -> Option<&AtomicU64> {
        let place = self.pages.get(number / PAGE)?;
        if place.load(Acquire).is_null() {
            let page = Box::into_raw(Box::<Page>::new(each!(AtomicU64::new(0); PAGE)));
            if place.compare_exchange(ptr::null_mut(), page, AcqRel, Acquire).is_err() {
                // SAFETY: it was made above and published nowhere.
                drop(unsafe { Box::from_raw(page) });
            }
        }
        self.word(number)
    }
}

shared!(static ALL: [AtomicPtr<Slab>; SLABS] = each!(AtomicPtr::new(ptr::null_mut()); SLABS));
shared!(static MADE: AtomicUsize = AtomicUsize::new(0));
shared!(static FREE: Mutex<Vec<&'static Slab>> = Mutex::new(Vec::new()));
local!(static CURRENT: Cell<Option<&'static Slab>> = Cell::new(None));
local!(static LEASE: Cell<Option<Lease>> = Cell::new(None));

/// Written by every thread that has no slab of its own, with atomic additions.
pub(super) fn common() -> &'static Slab {
    shared!(static COMMON: Slab = Slab::new(true));
    &COMMON
}

/// Gives the slab back when its thread ends.
pub(super) struct Lease(&'static Slab);

impl Drop for Lease {
    fn drop(&mut self) {
        let _ = CURRENT.try_with(|current| current.set(None));
        // A thread that ends while it is pinned has leaked the guard: its slab stays with it.
        if !self.0.is_pinned() {
            FREE.lock().unwrap_or_else(PoisonError::into_inner).push(self.0);
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
pub(super) fn current_or_take() -> Option<&'static Slab> {
    if let Some(slab) = current() {
        return Some(slab);
    }
    LEASE
        .try_with(|lease| {
            let slab = take()?;
            lease.set(Some(Lease(slab)));
            CURRENT.with(|current| current.set(Some(slab)));
            Some(slab)
        })
        .ok()
        .flatten()
}

pub(super) fn take() -> Option<&'static Slab> {
    let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(slab) = free.pop() {
        return Some(slab);
    }
    let number = MADE.load(Relaxed);
    let place = ALL.get(number)?;
    let slab: &'static Slab = Box::leak(Box::new(Slab::new(!membarrier::is_offered())));
    place.store(ptr::from_ref(slab).cast_mut(), Release);
    MADE.store(number + 1, Release);
    Some(slab)
}

/// Every slab that any thread ever had, but for the shared one.
pub(super) fn all() -> impl Iterator<Item = &'static Slab> {
    let made = MADE.load(Acquire);
    // SAFETY: slabs are leaked, so a pointer that was published stays good.
    ALL.iter().take(made).filter_map(|place| unsafe { place.load(Acquire).as_ref() })
}
