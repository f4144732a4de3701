//! The records of the open spans, by span id.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::record::{Identity, Record};
use crate::spin::{Held, Spin};

/// Places of the first choice: as many spans as most services ever have open, 256 KiB.
const PLACES: usize = 4096;
const SHARDS: usize = 64;

/// One a pipeline: the ids of two subscribers collide.
///
/// Every span has one place by its id, under a lock that nobody else is likely to want at the same moment;
/// what finds its place taken goes to the shards, which are the slower for it.
#[derive(Debug)]
pub(crate) struct Table {
    places: Box<[Place]>,
    shards: Box<[Shard]>,
    /// Spans a shard holds at most.
    limit: usize,
}

/// Alone on its cache line, so that threads do not disturb one another.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Place(Spin<Option<Open>>);

#[derive(Debug)]
struct Open {
    id: u64,
    record: Box<Record>,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard(Mutex<Spans>);

type Spans = HashMap<u64, Box<Record>, BuildHasherDefault<Spread>>;

impl Table {
    /// A table of about `limit` spans.
    pub(crate) fn new(limit: usize) -> Self {
        let places = (limit / 2 + 1).next_power_of_two().min(PLACES);
        Self {
            places: (0..places).map(|_| Place::default()).collect(),
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            limit: limit.saturating_sub(places).div_ceil(SHARDS),
        }
    }

    /// Keeps the span, or gives it back: the table is full of spans that nobody closes.
    #[inline]
    pub(crate) fn insert(&self, id: u64, record: Box<Record>) -> Result<(), Box<Record>> {
        let mut place = self.place(id);
        if place.is_none() {
            *place = Some(Open { id, record });
            return Ok(());
        }
        drop(place);
        self.insert_elsewhere(id, record)
    }

    #[cold]
    fn insert_elsewhere(&self, id: u64, record: Box<Record>) -> Result<(), Box<Record>> {
        let mut spans = self.shard(id);
        if spans.len() >= self.limit {
            return Err(record);
        }
        spans.insert(id, record);
        Ok(())
    }

    /// Does something with the span's record. Its lock is held: no code of the application may run.
    #[inline]
    pub(crate) fn with<R>(&self, id: u64, work: impl FnOnce(&mut Box<Record>) -> R) -> Option<R> {
        let mut place = self.place(id);
        if let Some(open) = place.as_mut().filter(|open| open.id == id) {
            return Some(work(&mut open.record));
        }
        drop(place);
        self.shard(id).get_mut(&id).map(work)
    }

    pub(crate) fn find(&self, id: u64) -> Option<Identity> {
        self.with(id, |record| record.identity.clone())
    }

    #[inline]
    pub(crate) fn remove(&self, id: u64) -> Option<Box<Record>> {
        let mut place = self.place(id);
        if let Some(open) = place.take_if(|open| open.id == id) {
            return Some(open.record);
        }
        drop(place);
        self.shard(id).remove(&id)
    }

    /// Every open span at this moment, one after another.
    pub(crate) fn each(&self, mut seen: impl FnMut(&Record)) {
        for place in &self.places {
            if let Some(open) = &*place.0.lock() {
                seen(&open.record);
            }
        }
        for shard in &self.shards {
            lock(&shard.0).values().for_each(|record| seen(record));
        }
    }

    #[inline]
    fn place(&self, id: u64) -> Held<'_, Option<Open>> {
        // The Registry keeps the thread that made a span in the upper bits, and small dense numbers in the
        // lower ones; any other choice is as right.
        let at = (id ^ (id >> 38).wrapping_mul(0x9d)) as usize & (self.places.len() - 1);
        self.places[at].0.lock()
    }

    #[inline]
    fn shard(&self, id: u64) -> MutexGuard<'_, Spans> {
        let at = (id ^ (id >> 38)) as usize % SHARDS;
        lock(&self.shards[at].0)
    }
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
