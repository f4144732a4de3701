//! A value that signal handlers use, and that may be taken away while they run.

#![allow(
    unsafe_code,
    reason = "a shared value is kept as a pointer that a signal handler can read"
)]

use std::ptr;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

use crate::inside::sync::{Arc, AtomicPtr, AtomicUsize, constant, fence, pause};

/// A handler is through in microseconds, unless its thread is held by a debugger.
const MAX_SPINS: u32 = 20_000;

/// Open while there is a value.
#[derive(Debug)]
pub(crate) struct Gate<T> {
    value: AtomicPtr<T>,
    /// Handlers that may be using the value.
    inside: AtomicUsize,
}

impl<T> Gate<T> {
    constant! {
        pub(crate) fn new() -> Self {
            Self { value: AtomicPtr::new(ptr::null_mut()), inside: AtomicUsize::new(0) }
        }
    }

    /// Lets handlers in; what they used before is closed first.
    pub(crate) fn open(&self, value: Arc<T>) {
        self.close();
        self.value.store(Arc::into_raw(value).cast_mut(), Release);
    }

    /// Lets `work` use the value, when there is one. A signal handler may call it.
    pub(crate) fn enter(&self, work: impl FnOnce(&T)) {
        self.inside.fetch_add(1, Relaxed);
        // With the one in `close`: either that thread sees us inside, or we see that it is closed.
        fence(SeqCst);
        let value = self.value.load(Acquire);
        if !value.is_null() {
            // SAFETY: it came from an `Arc`, which `close` gives up only when nobody is inside.
            work(unsafe { &*value });
        }
        self.inside.fetch_sub(1, Release);
    }

    /// Closes the gate and waits until every handler has left. A value that a handler does not let go of
    /// stays where it is, for ever.
    pub(crate) fn close(&self) {
        let value = self.value.swap(ptr::null_mut(), AcqRel);
        if value.is_null() {
            return;
        }
        fence(SeqCst);
        for _ in 0..MAX_SPINS {
            if self.inside.load(Acquire) == 0 {
                // SAFETY: it came from `Arc::into_raw`; nobody uses it any more, nor will.
                drop(unsafe { Arc::from_raw(value) });
                return;
            }
            pause();
        }
    }
}
