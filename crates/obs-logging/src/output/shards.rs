//! The shards in which lines wait for the worker.

use std::sync::atomic::AtomicUsize;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// More shards than this only scatter the lines.
pub(super) const MAX_SHARDS: usize = 8;

/// On cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct Shard {
    pub(super) lines: Mutex<Lines>,
    pub(super) has_room: Condvar,
    /// The bytes in `lines`, readable without the lock.
    pub(super) filled: AtomicUsize,
}

#[derive(Default)]
pub(super) struct Lines {
    pub(super) bytes: Vec<u8>,
    pub(super) ends: Vec<u32>,
    pub(super) waiting: usize,
    pub(super) emitted: [u64; 5],
    pub(super) dropped: u64,
}

impl Shard {
    pub(super) fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
