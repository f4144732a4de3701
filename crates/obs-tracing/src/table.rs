//! Which record belongs to which span id: asked when the thread's own stack does not know.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::record::Open;

const SHARDS: usize = 64;

/// One a layer: the ids of two subscribers collide.
#[derive(Debug)]
pub(crate) struct Table {
    shards: Box<[Shard]>,
    /// Spans a shard holds at most.
    limit: usize,
}

type Spans = HashMap<u64, Arc<Open>, BuildHasherDefault<Spread>>;

/// Alone on its cache lines, so that threads do not disturb one another.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard(Mutex<Spans>);

impl Table {
    /// A table of about `limit` spans.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            limit: limit.div_ceil(SHARDS),
        }
    }

    /// Keeps the span, unless the table is full of spans that nobody closes.
    #[inline]
    pub(crate) fn insert(&self, id: u64, open: Arc<Open>) -> bool {
        let mut spans = self.shard(id);
        if spans.len() >= self.limit {
            return false;
        }
        spans.insert(id, open);
        true
    }

    #[inline]
    pub(crate) fn find(&self, id: u64) -> Option<Arc<Open>> {
        self.shard(id).get(&id).cloned()
    }

    #[inline]
    pub(crate) fn remove(&self, id: u64) -> Option<Arc<Open>> {
        self.shard(id).remove(&id)
    }

    /// Every open span at this moment, shard after shard.
    pub(crate) fn each(&self, mut seen: impl FnMut(&Arc<Open>)) {
        for shard in &self.shards {
            let spans = shard.0.lock().unwrap_or_else(PoisonError::into_inner);
            spans.values().for_each(&mut seen);
        }
    }

    #[inline]
    fn shard(&self, id: u64) -> MutexGuard<'_, Spans> {
        // The Registry keeps the thread that made a span in these bits; any other choice is as right.
        let at = (id ^ (id >> 38)) as usize % SHARDS;
        self.shards[at].0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ids are small dense numbers: one multiplication spreads them.
#[derive(Default)]
pub(crate) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(self.0 ^ u64::from(byte));
        }
    }

    #[inline]
    fn write_u64(&mut self, id: u64) {
        self.0 = id.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}
