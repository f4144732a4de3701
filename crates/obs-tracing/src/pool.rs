//! Recycles records, from the export thread back to the threads that make spans.

use std::sync::{Mutex, MutexGuard, TryLockError};

use crate::record::Chunk;

/// Records a thread keeps, and that are handed over at once.
pub(crate) const CHUNK_SIZE: usize = 64;

/// Records kept for reuse at most: about 10 MB of ordinary ones.
const MAX_CHUNKS: usize = 256;

static FREE: Mutex<Vec<Chunk>> = Mutex::new(Vec::new());

pub(crate) fn take_chunk() -> Option<Chunk> {
    lock()?.pop()
}

pub(crate) fn return_chunk(records: Chunk) {
    if records.is_empty() {
        return;
    }
    if let Some(mut free) = lock()
        && free.len() < MAX_CHUNKS
    {
        free.push(records);
    }
}

/// Empties records for their next span.
pub(crate) fn recycle(mut chunk: Chunk) {
    chunk.iter_mut().for_each(|record| record.clear());
    return_chunk(chunk);
}

/// Does without where another thread is at it: in a forked child that may be for ever.
fn lock() -> Option<MutexGuard<'static, Vec<Chunk>>> {
    match FREE.try_lock() {
        Ok(free) => Some(free),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
