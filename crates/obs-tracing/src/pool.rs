//! Records to reuse, on their way from the export thread back to the threads that make spans.

use std::sync::{Mutex, PoisonError};

use crate::record::Chunk;

/// Records a thread keeps, and that are handed over at once.
pub(crate) const CHUNK: usize = 64;

/// Records kept for reuse at most: about 10 MB of ordinary ones.
const CHUNKS: usize = 256;

static FREE: Mutex<Vec<Chunk>> = Mutex::new(Vec::new());

pub(crate) fn take() -> Option<Chunk> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

pub(crate) fn give_back(records: Chunk) {
    if records.is_empty() {
        return;
    }
    let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    if free.len() < CHUNKS {
        free.push(records);
    }
}
