//! The contexts of the spans that are open, by their ids: in the registry each would be a box.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::span::SpanContext;

const SHARDS: usize = 64;

/// Of one layer.
pub(crate) struct OpenSpans {
    shards: [Mutex<Contexts>; SHARDS],
}

type Contexts = HashMap<u64, Arc<SpanContext>, BuildHasherDefault<IdHasher>>;

impl Default for OpenSpans {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl OpenSpans {
    pub(crate) fn insert(&self, id: u64, context: Arc<SpanContext>) {
        let former = self.shard(id).insert(id, context);
        drop(former); // outside of the lock, which the temporary above held
    }

    pub(crate) fn get(&self, id: u64) -> Option<Arc<SpanContext>> {
        self.shard(id).get(&id).cloned()
    }

    pub(crate) fn remove(&self, id: u64) -> Option<Arc<SpanContext>> {
        self.shard(id).remove(&id)
    }

    fn shard(&self, id: u64) -> MutexGuard<'_, Contexts> {
        let at = (mixed(id) >> 58) as usize % SHARDS;
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of ids, which the registry deals out: no caller chooses them.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = mixed(self.0 ^ id).rotate_left(20);
    }
}

/// An id's bits, spread to the upper ones.
fn mixed(id: u64) -> u64 {
    id.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
