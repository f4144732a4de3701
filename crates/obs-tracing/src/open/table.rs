//! The records of the open spans, by span id.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::block::{Block, Claim};
use crate::record::{Identity, Record};

/// Threads that can have a block of their own at once.
const BLOCKS: usize = 256;
/// Places of a block: as many spans as most threads ever have open, 8 KiB; with the default limit 97 threads
/// have a block.
const PLACES: usize = 512;
const SHARDS: usize = 64;

type Spaces = Block<Box<Record>>;

/// The right of one thread to put the spans it makes where nobody else puts any.
pub(crate) type OwnBlock = Claim<Box<Record>>;

/// One a pipeline: the ids of two subscribers collide.
///
/// Every thread has a block of places by their ids; what finds its place taken goes to the shards, which
/// are the slower for it.
#[derive(Debug)]
pub(crate) struct Table {
    blocks: Box<[OnceLock<Arc<Spaces>>]>,
    shards: Box<[Shard]>,
    /// Places a block.
    places: usize,
    /// Blocks that may still be made. Threads past them share the shards.
    blocks_left: AtomicUsize,
    /// Spans that the shards still have room for: all that the blocks do not take.
    room: AtomicUsize,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard(Mutex<Spans>);

type Spans = HashMap<u64, Box<Record>, BuildHasherDefault<Spread>>;

impl Table {
    /// A table of `limit` spans at most. Blocks take no more than half of them, so that threads that have few open leave
    /// room to one that has many.
    pub(crate) fn new(limit: usize) -> Self {
        let half = limit / 2;
        let places = half.checked_ilog2().map_or(1, |log| 1 << log).min(PLACES);
        let blocks = half / places;
        Self {
            blocks: (0..BLOCKS).map(|_| OnceLock::new()).collect(),
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            places,
            blocks_left: AtomicUsize::new(blocks),
            room: AtomicUsize::new(limit),
        }
    }

    /// Keeps the span, or gives it back: the table is full of spans that nobody closes.
    #[inline]
    pub(crate) fn insert(
        &self,
        own: &mut Option<OwnBlock>,
        id: u64,
        record: Box<Record>,
    ) -> Result<(), Box<Record>> {
        let block = self.blocks[block_of(id)].get();
        match (own, block) {
            (Some(own), Some(block)) if own.is_of(block) => match own.put(id, record) {
                Ok(()) => Ok(()),
                Err(record) => self.insert_elsewhere(id, record),
            },
            (own, _) => self.insert_first(own, id, record),
        }
    }

    /// The thread's first span, or one that another thread's block is meant for.
    #[cold]
    fn insert_first(
        &self,
        own: &mut Option<OwnBlock>,
        id: u64,
        record: Box<Record>,
    ) -> Result<(), Box<Record>> {
        if own.is_none() {
            *own = self.own_block(id).and_then(Block::claim);
            if let Some(own) = own {
                return own.put(id, record).or_else(|record| self.insert_elsewhere(id, record));
            }
        }
        self.insert_elsewhere(id, record)
    }

    #[cold]
    pub(crate) fn insert_elsewhere(&self, id: u64, record: Box<Record>) -> Result<(), Box<Record>> {
        if !take(&self.room, 1) {
            return Err(record);
        }
        if self.shard(id).insert(id, record).is_some() {
            self.room.fetch_add(1, Relaxed); // in the place of another
        }
        Ok(())
    }

    /// The block of the thread that made this span, made where there is room for one.
    fn own_block(&self, id: u64) -> Option<&Arc<Spaces>> {
        let block = &self.blocks[block_of(id)];
        if block.get().is_none() && take(&self.blocks_left, 1) {
            let mut is_new = false;
            if take(&self.room, self.places) {
                block.get_or_init(|| {
                    is_new = true;
                    Arc::new(Block::new(self.places))
                });
                if !is_new {
                    self.room.fetch_add(self.places, Relaxed);
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
        match self.block(id).and_then(|block| block.hold(id)) {
            Some(mut held) => held.with(work),
            None => self.shard(id).get_mut(&id).map(work),
        }
    }

    pub(crate) fn find(&self, id: u64) -> Option<Identity> {
        self.with(id, |record| record.identity.clone())
    }

    #[inline]
    pub(crate) fn remove(&self, id: u64) -> Option<Box<Record>> {
        match self.block(id).and_then(|block| block.hold(id)) {
            Some(held) => held.take(),
            None => {
                let removed = self.shard(id).remove(&id);
                if removed.is_some() {
                    self.room.fetch_add(1, Relaxed);
                }
                removed
            }
        }
    }

    /// Every open span at this moment, one after another.
    pub(crate) fn each(&self, mut seen: impl FnMut(&Record)) {
        for block in self.blocks.iter().filter_map(OnceLock::get) {
            block.each(|record| seen(record));
        }
        for shard in &self.shards {
            lock(&shard.0).values().for_each(|record| seen(record));
        }
    }

    #[inline]
    fn block(&self, id: u64) -> Option<&Arc<Spaces>> {
        self.blocks[block_of(id)].get()
    }

    #[inline]
    fn shard(&self, id: u64) -> MutexGuard<'_, Spans> {
        let at = (id ^ (id >> 38)) as usize % SHARDS;
        lock(&self.shards[at].0)
    }
}

/// The Registry keeps the thread that made a span in these bits, and small dense numbers in the lower
/// ones; any other choice is as right, but slower.
#[inline]
fn block_of(id: u64) -> usize {
    (id >> 38) as usize % BLOCKS
}

/// Takes this many, if there are so many left.
fn take(left: &AtomicUsize, wanted: usize) -> bool {
    left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(wanted)).is_ok()
}

#[inline]
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
