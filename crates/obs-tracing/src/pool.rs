//! Records to reuse, on their way from the export thread back to the threads that make spans.

use std::sync::{Arc, Mutex, PoisonError};

use crate::record::Open;

/// Records a thread keeps, and that are handed over at once.
pub(crate) const CHUNK: usize = 64;

/// Records kept for reuse at most: about 10 MB of ordinary ones.
const CHUNKS: usize = 256;

static FREE: Mutex<Vec<Vec<Arc<Open>>>> = Mutex::new(Vec::new());

pub(crate) fn take() -> Option<Vec<Arc<Open>>> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

pub(crate) fn give_back(records: Vec<Arc<Open>>) {
    if records.is_empty() {
        return;
    }
    let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    if free.len() < CHUNKS {
        free.push(records);
    }
}
