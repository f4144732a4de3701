//! A block of slots. One thread fills them, any thread may read or empty them. Filling takes no locked
//! instruction, which would stall until the span's recent writes have left the core.

#![allow(unsafe_code, reason = "threads share the slots, one thread at a time")]

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::sync::{AtomicBool, AtomicU64, UnsafeCell};
use super::wait::Backoff;

/// Ids of no item: of a free slot, and of a locked one.
pub(super) const FREE: u64 = 0;
pub(super) const LOCKED: u64 = u64::MAX;

/// Places for items with ids.
pub(crate) struct Block<T> {
    has_writer: AtomicBool,
    slots: Box<[Slot<T>]>,
}

/// The right to fill a block, until it is dropped. Items stay in the block.
#[derive(Debug)]
pub(crate) struct BlockWriter<T>(Arc<Block<T>>);

struct Slot<T> {
    /// The item's, or `FREE`, or `LOCKED`. From `FREE` the claimant alone takes it away, and from an id
    /// whoever is first.
    id: AtomicU64,
    item: UnsafeCell<Option<T>>,
}

/// An item in its slot, locked.
pub(crate) struct SlotGuard<'a, T> {
    slot: &'a Slot<T>,
    /// The id that the slot gets on unlock.
    id: u64,
}

// SAFETY: the writer touches an item's cell while its slot is free, which only the writer changes;
// otherwise the thread that exchanged the id for `LOCKED` touches it. So `T: Send` is enough.
unsafe impl<T: Send> Sync for Slot<T> {}

impl<T> Block<T> {
    /// A block of this many slots, a power of two.
    pub(super) fn new(slots: usize) -> Self {
        let free = || Slot { id: AtomicU64::new(FREE), item: UnsafeCell::new(None) };
        let slots = (0..slots.next_power_of_two()).map(|_| free()).collect();
        Self { has_writer: AtomicBool::new(false), slots }
    }

    /// The writer of this block, unless it has one.
    pub(super) fn writer(self: &Arc<Self>) -> Option<BlockWriter<T>> {
        if self.has_writer.load(Relaxed) {
            return None;
        }
        let has_writer = self.has_writer.compare_exchange(false, true, Acquire, Relaxed);
        has_writer.is_ok().then(|| BlockWriter(Arc::clone(self)))
    }

    /// The item of this id, when it is here.
    #[inline]
    pub(super) fn lock(&self, id: u64) -> Option<SlotGuard<'_, T>> {
        if id == FREE || id == LOCKED {
            return None;
        }
        let slot = self.slot(id)?;
        match slot.id.compare_exchange(id, LOCKED, Acquire, Relaxed) {
            Ok(_) => Some(SlotGuard { slot, id }),
            Err(LOCKED) => slot.lock(|known| known == id),
            Err(_) => None,
        }
    }

    /// Every item, one after another.
    pub(super) fn for_each(&self, mut visit: impl FnMut(&T)) {
        for slot in &self.slots {
            if let Some(mut guard) = slot.lock(|_| true) {
                guard.with(|item| visit(item));
            }
        }
    }

    #[inline]
    fn slot(&self, id: u64) -> Option<&Slot<T>> {
        self.slots.get(id as usize & (self.slots.len() - 1))
    }
}

impl<T> BlockWriter<T> {
    /// Whether it is the right to fill this block.
    #[inline]
    pub(super) fn belongs_to(&self, block: &Arc<Block<T>>) -> bool {
        Arc::ptr_eq(&self.0, block)
    }

    /// Inserts the item; returns it when its slot is taken.
    #[inline]
    pub(super) fn insert(&mut self, id: u64, item: T) -> Result<(), T> {
        let Some(slot) = self.0.slot(id).filter(|_| id != FREE && id != LOCKED) else {
            return Err(item);
        };
        if slot.id.load(Acquire) != FREE {
            return Err(item);
        }
        // SAFETY: a free slot stays free until the block's only writer, `self`, fills it.
        slot.item.with_mut(|cell| unsafe { *cell = Some(item) });
        slot.id.store(id, Release);
        Ok(())
    }
}

impl<T> Drop for BlockWriter<T> {
    fn drop(&mut self) {
        self.0.has_writer.store(false, Release);
    }
}

impl<T> Slot<T> {
    /// Waits for an item that another thread has locked, if it is in this block.
    #[cold]
    fn lock(&self, wanted: impl Fn(u64) -> bool) -> Option<SlotGuard<'_, T>> {
        let mut wait = Backoff::default();
        loop {
            let id = self.id.load(Relaxed);
            if id == LOCKED {
                wait.step();
            } else if id == FREE || !wanted(id) {
                return None;
            } else if self.id.compare_exchange(id, LOCKED, Acquire, Relaxed).is_ok() {
                return Some(SlotGuard { slot: self, id });
            }
        }
    }
}

impl<T> SlotGuard<'_, T> {
    /// Does something with the item: no code of the application may run.
    #[inline]
    pub(super) fn with<R>(&mut self, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        // SAFETY: the slot is locked by this guard, and `self` is borrowed mutably.
        self.slot.item.with_mut(|cell| unsafe { &mut *cell }.as_mut().map(work))
    }

    /// Takes the item away.
    #[inline]
    pub(super) fn take(mut self) -> Option<T> {
        self.id = FREE;
        // SAFETY: as for `with`.
        self.slot.item.with_mut(|cell| unsafe { &mut *cell }.take())
    }
}

impl<T> Drop for SlotGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.slot.id.store(self.id, Release);
    }
}

impl<T> fmt::Debug for Block<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block").field("claimed", &self.has_writer).finish_non_exhaustive()
    }
}
