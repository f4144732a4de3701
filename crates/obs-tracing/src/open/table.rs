//! The records of the open spans, by span id.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::block::{Block, BlockWriter};
use crate::record::{Record, SpanContext};

/// Threads that can have a block of their own at once.
const MAX_BLOCKS: usize = 256;
/// Places of a block: as many spans as most threads ever have open, 8 KiB; with the default limit 97 threads
/// have a block.
const MAX_BLOCK_SLOTS: usize = 512;
const SHARD_COUNT: usize = 64;

type RecordBlock = Block<Box<Record>>;

/// The block that one thread alone fills with its spans.
pub(crate) type ThreadBlock = BlockWriter<Box<Record>>;

/// One a pipeline: the ids of two subscribers collide.
///
/// Every thread has a block of slots, indexed by id; a span whose slot is taken goes to the shards, which
/// are the slower for it.
#[derive(Debug)]
pub(crate) struct Table {
    blocks: Box<[OnceLock<Arc<RecordBlock>>]>,
    shards: Box<[Shard]>,
    /// Places a block.
    slots: usize,
    /// Blocks that may still be made. Threads past them share the shards.
    blocks_left: AtomicUsize,
    /// Spans that the shards still have room for: all that the blocks do not take.
    free_slots: AtomicUsize,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard(Mutex<Spans>);

type Spans = HashMap<u64, Box<Record>, BuildHasherDefault<IdHasher>>;

impl Table {
    /// A table of `limit` spans at most. Blocks take no more than half of them, so that threads that have few open leave
    /// room to one that has many.
    pub(crate) fn new(limit: usize) -> Self {
        let half = limit / 2;
        let slots = half.checked_ilog2().map_or(1, |log| 1 << log).min(MAX_BLOCK_SLOTS);
        let blocks = half / slots;
        Self {
            blocks: (0..MAX_BLOCKS).map(|_| OnceLock::new()).collect(),
            shards: (0..SHARD_COUNT).map(|_| Shard::default()).collect(),
            slots,
            blocks_left: AtomicUsize::new(blocks),
            free_slots: AtomicUsize::new(limit),
        }
    }

    /// Inserts the span; returns it when the table is full.
    #[inline]
    pub(crate) fn insert(
        &self,
        own: &mut Option<ThreadBlock>,
        id: u64,
        record: Box<Record>,
    ) -> Result<(), Box<Record>> {
        let block = self.blocks[block_of(id)].get();
        match (own, block) {
            (Some(own), Some(block)) if own.belongs_to(block) => match own.insert(id, record) {
                Ok(()) => Ok(()),
                Err(record) => self.insert_in_shard(id, record),
            },
            (own, _) => self.insert_slow(own, id, record),
        }
    }

    /// The thread's first span, or one that another thread's block is meant for.
    #[cold]
    fn insert_slow(
        &self,
        own: &mut Option<ThreadBlock>,
        id: u64,
        record: Box<Record>,
    ) -> Result<(), Box<Record>> {
        if own.is_none() {
            *own = self.block_for_thread(id).and_then(Block::writer);
            if let Some(own) = own {
                return own.insert(id, record).or_else(|record| self.insert_in_shard(id, record));
            }
        }
        self.insert_in_shard(id, record)
    }

    #[cold]
    pub(crate) fn insert_in_shard(&self, id: u64, record: Box<Record>) -> Result<(), Box<Record>> {
        if !reserve(&self.free_slots, 1) {
            return Err(record);
        }
        if self.shard(id).insert(id, record).is_some() {
            self.free_slots.fetch_add(1, Relaxed); // replaces another
        }
        Ok(())
    }

    /// The block of the thread that made this span, made where there is room for one.
    fn block_for_thread(&self, id: u64) -> Option<&Arc<RecordBlock>> {
        let block = &self.blocks[block_of(id)];
        if block.get().is_none() && reserve(&self.blocks_left, 1) {
            let mut is_new = false;
            if reserve(&self.free_slots, self.slots) {
                block.get_or_init(|| {
                    is_new = true;
                    Arc::new(Block::new(self.slots))
                });
                if !is_new {
                    self.free_slots.fetch_add(self.slots, Relaxed);
                }
            }
            if !is_new {
                self.blocks_left.fetch_add(1, Relaxed);
            }
        }
        block.get()
    }

    /// Does something with the span's record. Its lock is held: no code of the application may run.
    #[inline]
    pub(crate) fn with<R>(&self, id: u64, work: impl FnOnce(&mut Box<Record>) -> R) -> Option<R> {
        match self.block(id).and_then(|block| block.lock(id)) {
            Some(mut guard) => guard.with(work),
            None => self.shard(id).get_mut(&id).map(work),
        }
    }

    pub(crate) fn find(&self, id: u64) -> Option<SpanContext> {
        self.with(id, |record| record.span_context.clone())
    }

    /// The same for a thread that enters the span and did not make it.
    #[inline]
    pub(crate) fn find_to_enter(&self, id: u64) -> Option<SpanContext> {
        self.with(id, |record| {
            record.entered_elsewhere = true;
            record.span_context.clone()
        })
    }

    #[inline]
    pub(crate) fn remove(&self, id: u64) -> Option<Box<Record>> {
        match self.block(id).and_then(|block| block.lock(id)) {
            Some(guard) => guard.take(),
            None => {
                let removed = self.shard(id).remove(&id);
                if removed.is_some() {
                    self.free_slots.fetch_add(1, Relaxed);
                }
                removed
            }
        }
    }

    /// Every open span at this moment, one after another.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&Record)) {
        for block in self.blocks.iter().filter_map(OnceLock::get) {
            block.for_each(|record| visit(record));
        }
        for shard in &self.shards {
            lock_mutex(&shard.0).values().for_each(|record| visit(record));
        }
    }

    #[inline]
    fn block(&self, id: u64) -> Option<&Arc<RecordBlock>> {
        self.blocks[block_of(id)].get()
    }

    #[inline]
    fn shard(&self, id: u64) -> MutexGuard<'_, Spans> {
        let at = (id ^ (id >> 38)) as usize % SHARD_COUNT;
        lock_mutex(&self.shards[at].0)
    }
}

/// The Registry keeps the thread that made a span in these bits, and small dense numbers in the lower
/// ones; any other choice is as right, but slower.
#[inline]
fn block_of(id: u64) -> usize {
    (id >> 38) as usize % MAX_BLOCKS
}

/// Takes this many, if there are so many left.
fn reserve(left: &AtomicUsize, wanted: usize) -> bool {
    left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(wanted)).is_ok()
}

#[inline]
fn lock_mutex<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ids are small dense numbers: one multiplication spreads them.
#[derive(Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
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
