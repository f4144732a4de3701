//! Slots that signal handlers fill on any thread and others empty: no lock, no allocation, no wait.

#![allow(unsafe_code, reason = "a slot's state says which thread owns its content")]

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::inside::sync::{AtomicU32, AtomicU64, AtomicUsize, UnsafeCell};

const FREE: u32 = 0;
const WRITING: u32 = 1;
const FULL: u32 = 2;
const READING: u32 = 3;

/// A handler looks at this many slots at most.
const TRIES: usize = 8;

/// Values on their way from handlers to their reader. A handler that is held up delays no other: values are
/// taken in no order.
#[derive(Debug)]
pub(crate) struct Ring<T> {
    slots: Box<[Slot<T>]>,
    next: AtomicUsize,
    refused: AtomicU64,
}

/// The state lies beside the content's beginning: a handler finds both on one page.
#[derive(Debug)]
#[repr(C)]
struct Slot<T> {
    state: AtomicU32,
    content: UnsafeCell<T>,
}

impl<T> Ring<T> {
    pub(crate) fn new(slots: usize, empty: impl Fn() -> T) -> Self {
        let slot = |_| Slot { state: AtomicU32::new(FREE), content: UnsafeCell::new(empty()) };
        Self {
            slots: (0..slots).map(slot).collect(),
            next: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Lets `fill` write a free slot; where there is none, that is counted. A signal handler may call it.
    pub(crate) fn put(&self, fill: impl FnOnce(&mut T)) -> bool {
        let count = self.slots.len();
        let first = self.next.fetch_add(1, Relaxed);
        for step in 0..TRIES.min(count) {
            let Some(slot) = self.slots.get(first.wrapping_add(step) % count) else { continue };
            if slot.state.compare_exchange(FREE, WRITING, Acquire, Relaxed).is_err() {
                continue;
            }
            // SAFETY: only who has made the state WRITING touches the content until it is FULL.
            slot.content.with_mut(|content| fill(unsafe { &mut *content }));
            slot.state.store(FULL, Release);
            return true;
        }
        self.refused.fetch_add(1, Relaxed);
        false
    }

    /// Hands over what is there. Where two threads drain, each value goes to one of them.
    pub(crate) fn drain(&self, mut taken: impl FnMut(&T)) {
        for slot in &self.slots {
            if slot.state.compare_exchange(FULL, READING, Acquire, Relaxed).is_err() {
                continue;
            }
            // SAFETY: only who has made the state READING touches the content until it is FREE.
            slot.content.with(|content| taken(unsafe { &*content }));
            slot.state.store(FREE, Release);
        }
        // The same few slots again, which are in the processors' caches.
        self.next.store(0, Relaxed);
    }

    /// How many values found no slot.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
}

// SAFETY: a slot's content is touched by one thread at a time, as its state says.
unsafe impl<T: Send> Sync for Ring<T> {}
