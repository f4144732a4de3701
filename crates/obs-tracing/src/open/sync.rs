//! Atomics and cells, replaced by those of the model in `tests/loom.rs`.

pub(super) use std::sync::atomic::{AtomicBool, AtomicU64};

/// The standard library's, with the one way in that the model knows.
#[derive(Debug)]
pub(super) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(super) fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    #[inline(always)]
    pub(super) fn with_mut<R>(&self, work: impl FnOnce(*mut T) -> R) -> R {
        work(self.0.get())
    }
}
