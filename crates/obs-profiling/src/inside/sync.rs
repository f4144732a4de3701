//! What threads and signal handlers meet at, under the names that the model in `tests/loom.rs` gives
//! another meaning.

#![allow(unsafe_code, reason = "a cell that is shared by the rules of its users")]

pub(crate) use std::sync::Arc;
pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, fence};

/// As loom's cell of this name.
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    pub(crate) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        read(self.0.get())
    }

    pub(crate) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}

/// Waits a little for another thread.
pub(crate) fn pause() {
    std::thread::sleep(std::time::Duration::from_micros(100));
}

/// Loom's values cannot be made at compile time.
macro_rules! constant {
    ($visibility:vis fn $($rest:tt)*) => { $visibility const fn $($rest)* };
}

pub(crate) use constant;
