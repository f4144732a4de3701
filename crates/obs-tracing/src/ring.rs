//! The ring of ended spans of one thread, drained by others: no lock, no locked instruction.

#![allow(unsafe_code, reason = "two threads share the slots, each at its own end")]

use std::cell::UnsafeCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// Items a ring holds at most.
pub(crate) const CAPACITY: usize = 64;

/// A ring's two ends: one for the thread that fills it, one for the thread that drains it.
pub(crate) fn channel<T>() -> (Producer<T>, Consumer<T>) {
    let ring = Arc::new(Ring {
        slots: [const { UnsafeCell::new(None) }; CAPACITY],
        popped: AtomicUsize::new(0),
        pushed: AtomicUsize::new(0),
    });
    (Producer(Arc::clone(&ring)), Consumer(ring))
}

/// Puts items in.
pub(crate) struct Producer<T>(Arc<Ring<T>>);

/// Takes items out.
pub(crate) struct Consumer<T>(Arc<Ring<T>>);

struct Ring<T> {
    slots: [UnsafeCell<Option<T>>; CAPACITY],
    /// How many items were ever taken out: written by the consumer alone.
    popped: AtomicUsize,
    /// How many were ever put in: written by the producer alone.
    pushed: AtomicUsize,
}

// SAFETY: a slot is touched by the producer while it is free and by the consumer while it is not, and
// `pushed` and `popped` hand it over; so all that has to cross threads is the items.
unsafe impl<T: Send> Sync for Ring<T> {}

impl<T> Producer<T> {
    /// Pushes the item and returns the length; returns the item when the ring is full.
    #[inline]
    pub(crate) fn push(&mut self, item: T) -> Result<usize, T> {
        let ring = &*self.0;
        let pushed = ring.pushed.load(Relaxed);
        let waiting = pushed.wrapping_sub(ring.popped.load(Acquire));
        if waiting == CAPACITY {
            return Err(item);
        }
        // SAFETY: the slot is free (by `popped`; only this end fills slots), and the consumer
        // does not read it before `pushed` includes it.
        unsafe { *ring.slots[pushed % CAPACITY].get() = Some(item) };
        ring.pushed.store(pushed.wrapping_add(1), Release);
        Ok(waiting + 1)
    }
}

impl<T> Consumer<T> {
    /// Takes the oldest item out.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<T> {
        let ring = &*self.0;
        let popped = ring.popped.load(Relaxed);
        if popped == ring.pushed.load(Acquire) {
            return None;
        }
        // SAFETY: the slot is filled (by `pushed`; only this end empties slots), and the producer
        // does not touch it before `popped` includes it.
        let item = unsafe { (*ring.slots[popped % CAPACITY].get()).take() };
        ring.popped.store(popped.wrapping_add(1), Release);
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
    fn ring_between_threads_delivers_each_item_once() {
        const ITEMS: usize = 20_000;
        let (mut producer, mut consumer) = channel();
        let thread = std::thread::spawn(move || {
            for number in 0..ITEMS {
                let mut item = Box::new(number);
                while let Err(rejected) = producer.push(item) {
                    item = rejected;
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
    fn ring_when_full_returns_item() {
        let (mut producer, mut consumer) = channel();
        for number in 0..CAPACITY {
            assert_eq!(producer.push(number), Ok(number + 1));
        }
        assert_eq!(producer.push(99), Err(99));
        assert_eq!(consumer.pop(), Some(0));
        assert_eq!(producer.push(99), Ok(CAPACITY));
    }
}
