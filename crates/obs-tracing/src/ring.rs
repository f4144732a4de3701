//! Ended spans of one thread, until somebody collects them: no lock, no locked instruction.

#![allow(unsafe_code, reason = "two threads share the places, each at its own end")]

use std::cell::UnsafeCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// Items a ring holds at most.
pub(crate) const ROOM: usize = 64;

/// A ring with its two ends: one for the thread that fills it, one for whoever empties it.
pub(crate) fn ring<T>() -> (Producer<T>, Consumer<T>) {
    let ring = Arc::new(Ring {
        places: [const { UnsafeCell::new(None) }; ROOM],
        taken: AtomicUsize::new(0),
        put: AtomicUsize::new(0),
    });
    (Producer(Arc::clone(&ring)), Consumer(ring))
}

/// Puts items in.
pub(crate) struct Producer<T>(Arc<Ring<T>>);

/// Takes items out.
pub(crate) struct Consumer<T>(Arc<Ring<T>>);

struct Ring<T> {
    places: [UnsafeCell<Option<T>>; ROOM],
    /// How many items were ever taken out: written by the consumer alone.
    taken: AtomicUsize,
    /// How many were ever put in: written by the producer alone.
    put: AtomicUsize,
}

// SAFETY: a place is touched by the producer while it is free and by the consumer while it is not, and
// `put` and `taken` hand it over; so all that has to cross threads is the items.
unsafe impl<T: Send> Sync for Ring<T> {}

impl<T> Producer<T> {
    /// Puts the item in, and tells how many there are now; gives it back when there is no room.
    #[inline]
    pub(crate) fn push(&mut self, item: T) -> Result<usize, T> {
        let ring = &*self.0;
        let put = ring.put.load(Relaxed);
        let waiting = put.wrapping_sub(ring.taken.load(Acquire));
        if waiting == ROOM {
            return Err(item);
        }
        // SAFETY: the place is free (`taken` said so, and only this end fills places), and the consumer
        // does not look at it before `put` says that it may.
        unsafe { *ring.places[put % ROOM].get() = Some(item) };
        ring.put.store(put.wrapping_add(1), Release);
        Ok(waiting + 1)
    }
}

impl<T> Consumer<T> {
    /// Takes the oldest item out.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<T> {
        let ring = &*self.0;
        let taken = ring.taken.load(Relaxed);
        if taken == ring.put.load(Acquire) {
            return None;
        }
        // SAFETY: the place is filled (`put` said so, and only this end empties places), and the producer
        // does not touch it before `taken` says that it may.
        let item = unsafe { (*ring.places[taken % ROOM].get()).take() };
        ring.taken.store(taken.wrapping_add(1), Release);
        item
    }
}

impl<T> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Producer")
    }
}

impl<T> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Consumer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_nor_told_twice_between_threads() {
        const ITEMS: usize = 20_000;
        let (mut producer, mut consumer) = ring();
        let thread = std::thread::spawn(move || {
            for number in 0..ITEMS {
                let mut item = Box::new(number);
                while let Err(refused) = producer.push(item) {
                    item = refused;
                    std::thread::yield_now();
                }
            }
        });
        let mut expected = 0;
        while expected < ITEMS {
            match consumer.pop() {
                Some(item) => {
                    assert_eq!(*item, expected);
                    expected += 1;
                }
                None => std::thread::yield_now(),
            }
        }
        assert!(thread.join().is_ok());
        assert!(consumer.pop().is_none());
    }

    #[test]
    fn a_full_ring_gives_the_item_back() {
        let (mut producer, mut consumer) = ring();
        for number in 0..ROOM {
            assert_eq!(producer.push(number), Ok(number + 1));
        }
        assert_eq!(producer.push(99), Err(99));
        assert_eq!(consumer.pop(), Some(0));
        assert_eq!(producer.push(99), Ok(ROOM));
    }
}
