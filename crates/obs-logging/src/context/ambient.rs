//! The fields of one request, or of one job, shared by the threads that work on it.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::fields::Fields;

/// The limit of the fields of one context, in bytes: every line copies them.
pub(super) const MAX_BYTES: usize = 64 * 1024;

/// How many fields were left out at the limit, in all contexts.
pub(super) static LEFT_OUT: AtomicU64 = AtomicU64::new(0);

#[derive(Default)]
pub(crate) struct Ambient {
    fields: Mutex<Arc<Fields>>,
    version: AtomicU32,
}

impl Ambient {
    pub(super) fn new(fields: Arc<Fields>) -> Self {
        Self { fields: Mutex::new(fields), version: AtomicU32::new(0) }
    }

    pub(crate) fn append(&self, added: &Fields) {
        let mut fields = self.fields.lock().unwrap_or_else(PoisonError::into_inner);
        if fields.as_bytes().len() + added.as_bytes().len() > MAX_BYTES {
            LEFT_OUT.fetch_add(added.len() as u64, Ordering::Relaxed);
            return;
        }
        Arc::make_mut(&mut fields).append(added);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Changes with every change of the fields.
    pub(crate) fn version(&self) -> u32 {
        self.version.load(Ordering::Acquire)
    }

    pub(crate) fn snapshot(&self) -> (u32, Arc<Fields>) {
        let fields = self.fields.lock().unwrap_or_else(PoisonError::into_inner);
        (self.version(), fields.clone())
    }
}
