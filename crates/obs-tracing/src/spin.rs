//! A lock for a few instructions' work that is hardly ever wanted by two threads at once: one locked
//! instruction where the standard library's takes two.

#![allow(unsafe_code, reason = "a lock hands out what it guards")]

use std::cell::UnsafeCell;
use std::fmt;
use std::hint::spin_loop;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// Guards a value. Whoever holds it must do nothing that waits.
#[derive(Default)]
pub(crate) struct Spin<T> {
    held: AtomicBool,
    value: UnsafeCell<T>,
}

/// Held: the value is this thread's.
pub(crate) struct Held<'a, T>(&'a Spin<T>);

// SAFETY: `held` lets one thread at a time reach the value, so that all it takes is that the value may
// move from thread to thread.
unsafe impl<T: Send> Sync for Spin<T> {}

impl<T> Spin<T> {
    #[inline]
    pub(crate) fn lock(&self) -> Held<'_, T> {
        if self.held.compare_exchange(false, true, Acquire, Relaxed).is_err() {
            self.wait();
        }
        Held(self)
    }

    /// Its holder is at work on another core, or was interrupted: then it needs this one.
    #[cold]
    fn wait(&self) {
        const SPINS: u32 = 64;
        let mut spins = 0_u32;
        while self.held.compare_exchange_weak(false, true, Acquire, Relaxed).is_err() {
            spins += 1;
            if spins.is_multiple_of(SPINS) {
                std::thread::yield_now();
            } else {
                spin_loop();
            }
        }
    }
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: `held` is set by this guard, so nobody else reaches the value.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for Held<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as for `deref`, and the guard is borrowed mutably.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for Held<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.0.held.store(false, Release);
    }
}

impl<T> fmt::Debug for Spin<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spin")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        const EACH: u64 = 20_000;
        let counter = Spin::<u64>::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..EACH).for_each(|_| *counter.lock() += 1));
            }
        });
        assert_eq!(*counter.lock(), 4 * EACH);
    }

    #[test]
    fn a_panic_lets_go() {
        let value = Spin::<u64>::default();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _held = value.lock();
            std::panic::resume_unwind(Box::new(()));
        }));
        assert!(panicked.is_err());
        *value.lock() = 1;
        assert_eq!(*value.lock(), 1);
    }
}
