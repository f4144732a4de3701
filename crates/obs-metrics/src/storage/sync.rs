//! Atomics and cells, replaced by those of the model in `tests/loom.rs`.

pub(crate) use std::sync::Mutex;
pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, compiler_fence, fence};

/// Words a page.
pub(crate) const PAGE_SIZE: usize = 1024;
/// Pages a slab: a million words.
pub(crate) const PAGES_PER_SLAB: usize = 1024;
/// Threads that have a slab of their own; others share one.
pub(crate) const MAX_SLABS: usize = 256;

/// A static that all threads see.
macro_rules! shared {
    (static $name:ident: $type:ty = $value:expr) => {
        static $name: $type = $value;
    };
}

/// A static of each thread.
macro_rules! local {
    (static $name:ident: $type:ty = $value:expr) => {
        thread_local! { static $name: $type = const { $value } }
    };
}

/// As many of these as the array has.
macro_rules! array_of {
    ($value:expr; $number:expr) => {
        [const { $value }; $number]
    };
}

/// A function whose values may be statics.
macro_rules! const_fn {
    (fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty $body:block) => {
        const fn $name($($argument: $type),*) -> $result $body
    };
}

pub(crate) use {array_of, const_fn, local, shared};
