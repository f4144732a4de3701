//! Places that one thread alone fills, and that any thread may look into or empty: to fill one takes no
//! locked instruction, which would wait until all that was just written of the span has left the core.

#![allow(unsafe_code, reason = "threads share the places, one of them at a time")]

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::sync::{AtomicBool, AtomicU64, UnsafeCell};
use super::wait::Wait;

/// No item has these ids: of a place that is free, and of one that somebody looks into.
pub(super) const FREE: u64 = 0;
pub(super) const HELD: u64 = u64::MAX;

/// Places for items with ids.
pub(crate) struct Block<T> {
    claimed: AtomicBool,
    places: Box<[Place<T>]>,
}

/// The right to fill a block, until it is dropped. Items stay in the block.
#[derive(Debug)]
pub(crate) struct Claim<T>(Arc<Block<T>>);

struct Place<T> {
    /// The item's, or `FREE`, or `HELD`. From `FREE` the claimant alone takes it away, and from an id
    /// whoever is first.
    id: AtomicU64,
    item: UnsafeCell<Option<T>>,
}

/// An item in its place, in nobody else's reach.
pub(crate) struct Held<'a, T> {
    place: &'a Place<T>,
    /// What the place will say of itself.
    id: u64,
}

// SAFETY: the claimant touches an item's cell while its place is free, which only the claimant changes;
// else whoever exchanged the id for `HELD` touches it. So all it takes is that items may change threads.
unsafe impl<T: Send> Sync for Place<T> {}

impl<T> Block<T> {
    /// A block of this many places, a power of two.
    pub(super) fn new(places: usize) -> Self {
        let free = || Place { id: AtomicU64::new(FREE), item: UnsafeCell::new(None) };
        let places = (0..places.next_power_of_two()).map(|_| free()).collect();
        Self { claimed: AtomicBool::new(false), places }
    }

    /// The right to fill this block, unless somebody has it.
    pub(super) fn claim(self: &Arc<Self>) -> Option<Claim<T>> {
        if self.claimed.load(Relaxed) {
            return None;
        }
        let claimed = self.claimed.compare_exchange(false, true, Acquire, Relaxed);
        claimed.is_ok().then(|| Claim(Arc::clone(self)))
    }

    /// The item of this id, when it is here.
    #[inline]
    pub(super) fn hold(&self, id: u64) -> Option<Held<'_, T>> {
        if id == FREE || id == HELD {
            return None;
        }
        let place = self.place(id)?;
        match place.id.compare_exchange(id, HELD, Acquire, Relaxed) {
            Ok(_) => Some(Held { place, id }),
            Err(HELD) => place.hold(|known| known == id),
            Err(_) => None,
        }
    }

    /// Every item, one after another.
    pub(super) fn each(&self, mut seen: impl FnMut(&T)) {
        for place in &self.places {
            if let Some(mut held) = place.hold(|_| true) {
                held.with(|item| seen(item));
            }
        }
    }

    #[inline]
    fn place(&self, id: u64) -> Option<&Place<T>> {
        self.places.get(id as usize & (self.places.len() - 1))
    }
}

impl<T> Claim<T> {
    /// Whether it is the right to fill this block.
    #[inline]
    pub(super) fn is_of(&self, block: &Arc<Block<T>>) -> bool {
        Arc::ptr_eq(&self.0, block)
    }

    /// Puts the item in its place, or gives it back: the place is taken.
    #[inline]
    pub(super) fn put(&mut self, id: u64, item: T) -> Result<(), T> {
        let Some(place) = self.0.place(id).filter(|_| id != FREE && id != HELD) else {
            return Err(item);
        };
        if place.id.load(Acquire) != FREE {
            return Err(item);
        }
        // SAFETY: a free place stays so until its claimant, who is here, says otherwise.
        place.item.with_mut(|cell| unsafe { *cell = Some(item) });
        place.id.store(id, Release);
        Ok(())
    }
}

impl<T> Drop for Claim<T> {
    fn drop(&mut self) {
        self.0.claimed.store(false, Release);
    }
}

impl<T> Place<T> {
    /// Takes hold of an item that is in somebody else's hand, if it is one of these.
    #[cold]
    fn hold(&self, wanted: impl Fn(u64) -> bool) -> Option<Held<'_, T>> {
        let mut wait = Wait::default();
        loop {
            let id = self.id.load(Relaxed);
            if id == HELD {
                wait.step();
            } else if id == FREE || !wanted(id) {
                return None;
            } else if self.id.compare_exchange(id, HELD, Acquire, Relaxed).is_ok() {
                return Some(Held { place: self, id });
            }
        }
    }
}

impl<T> Held<'_, T> {
    /// Does something with the item: no code of the application may run.
    #[inline]
    pub(super) fn with<R>(&mut self, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        // SAFETY: the place is held, so nobody else reaches the item, and `self` is borrowed mutably.
        self.place.item.with_mut(|cell| unsafe { &mut *cell }.as_mut().map(work))
    }

    /// Takes the item away.
    #[inline]
    pub(super) fn take(mut self) -> Option<T> {
        self.id = FREE;
        // SAFETY: as for `with`.
        self.place.item.with_mut(|cell| unsafe { &mut *cell }.take())
    }
}

impl<T> Drop for Held<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.place.id.store(self.id, Release);
    }
}

impl<T> fmt::Debug for Block<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block").field("claimed", &self.claimed).finish_non_exhaustive()
    }
}
