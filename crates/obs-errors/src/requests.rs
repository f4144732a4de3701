//! What is known of the requests that are under way, by their traces.

use std::cell::Cell;
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::HashMap;
use obs_context::{active_span, current_request_id};
use tracing::Event;

use crate::crumbs::{Crumbs, MOST_BYTES, Written};
use crate::report::{Breadcrumb, Request};

const SHARDS: usize = 16;
/// Requests of one shard: 16,384 in all.
const MOST: usize = 1024;
/// Bytes of all breadcrumbs.
const MOST_CRUMBS: usize = 32 * 1024 * 1024;

/// The requests that are under way. What belongs to no HTTP exchange, such as a job with a span of its own,
/// is here from its first breadcrumb until there are too many.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    shards: [Mutex<Shard>; SHARDS],
    bytes: AtomicUsize,
    /// Breadcrumbs that found no room.
    lost: AtomicU64,
}

#[derive(Debug, Default)]
struct Shard {
    known: HashMap<u128, State>,
    /// In the order of their coming; those that are over may still be here.
    order: VecDeque<u128>,
    /// The exchanges of a trace: one, or how many.
    exchanges: HashMap<u128, Exchanges>,
}

#[derive(Debug)]
struct Exchanges {
    /// The first one.
    number: u64,
    count: usize,
}

/// One request.
#[derive(Debug, Default)]
pub(crate) struct State {
    crumbs: Crumbs,
    pub(crate) request: Option<Request>,
    /// Whether an error of it is known.
    has_error: bool,
}

thread_local! {
    /// The HTTP exchange that this thread works for.
    static CURRENT: Cell<u64> = const { Cell::new(0) };
}

/// Makes an exchange the thread's own; answers which one was.
#[cfg(feature = "http")]
pub(crate) fn enter(number: u64) -> u64 {
    CURRENT.try_with(|current| current.replace(number)).unwrap_or_default()
}

/// Tells traces apart: by their ids or, where there are none, by the request's.
fn trace() -> Option<u128> {
    if let Some(span) = active_span() {
        return Some(span.trace_id.get());
    }
    let id = current_request_id()?;
    let half = |salt: u64| {
        let mut hasher = DefaultHasher::new();
        (salt, id.as_str()).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    Some(half(1) << 64 | half(2))
}

impl Requests {
    fn shard(&self, key: u128) -> MutexGuard<'_, Shard> {
        let at = (key ^ key >> 64) as usize % SHARDS;
        // The index is in bounds by the remainder.
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The request that the thread works for: its exchange, also in a task of its own where the trace has
    /// but one here; else whatever has this trace.
    fn key(&self) -> Option<u128> {
        match CURRENT.try_with(Cell::get).unwrap_or_default() {
            0 => {
                let trace = trace()?;
                let shard = self.shard(trace);
                let alone = shard.exchanges.get(&trace).filter(|exchanges| exchanges.count == 1);
                Some(alone.map_or(trace, |exchanges| exchanges.number.into()))
            }
            number => Some(number.into()),
        }
    }

    /// The exchange of this number is known from now on; the caller is in its span. Answers its trace.
    #[cfg(feature = "http")]
    pub(crate) fn begin(&self, number: u64, request: Request) -> Option<u128> {
        let trace = trace();
        if let Some(trace) = trace {
            let mut shard = self.shard(trace);
            let exchanges = shard.exchanges.entry(trace).or_insert(Exchanges { number, count: 0 });
            exchanges.count += 1;
        }
        let mut shard = self.shard(number.into());
        self.state(&mut shard, number.into()).request = Some(request);
        trace
    }

    /// It is over: what is known of it is forgotten.
    #[cfg(feature = "http")]
    pub(crate) fn end(&self, number: u64, trace: Option<u128>) -> Option<State> {
        if let Some(trace) = trace {
            let mut shard = self.shard(trace);
            if let Some(exchanges) = shard.exchanges.get_mut(&trace) {
                exchanges.count -= 1;
                if exchanges.count == 0 {
                    shard.exchanges.remove(&trace);
                }
            }
        }
        let mut shard = self.shard(number.into());
        let state = shard.known.remove(&number.into())?;
        drop(shard);
        self.bytes.fetch_sub(state.crumbs.capacity(), Relaxed);
        Some(state)
    }

    /// Changes what is known of an exchange.
    #[cfg(feature = "http")]
    pub(crate) fn change(&self, number: u64, change: impl FnOnce(&mut Request)) {
        let mut shard = self.shard(number.into());
        if let Some(request) =
            shard.known.get_mut(&number.into()).and_then(|state| state.request.as_mut())
        {
            change(request);
        }
    }

    /// Whether an error of this exchange is known.
    #[cfg(feature = "http")]
    pub(crate) fn has_error(&self, number: u64) -> bool {
        let shard = self.shard(number.into());
        shard.known.get(&number.into()).is_some_and(|state| state.has_error)
    }

    /// Keeps an event for the error that may come.
    pub(crate) fn add(&self, event: &Event<'_>) {
        let Some(key) = self.key() else { return };
        if self.bytes.load(Relaxed) + MOST_BYTES > MOST_CRUMBS {
            self.lost.fetch_add(1, Relaxed);
            return;
        }
        let written = Written::of(event);
        let mut shard = self.shard(key);
        let crumbs = &mut self.state(&mut shard, key).crumbs;
        let before = crumbs.capacity();
        crumbs.add(&written);
        let after = crumbs.capacity();
        drop(shard);
        written.discard();
        if after != before {
            self.bytes.fetch_add(after.wrapping_sub(before), Relaxed);
        }
    }

    /// Notes that an error of the request is known, whether or not it is reported.
    pub(crate) fn note_error(&self) {
        if let Some(key) = self.key() {
            let mut shard = self.shard(key);
            self.state(&mut shard, key).has_error = true;
        }
    }

    /// What the request is, and what it has logged.
    pub(crate) fn known(&self) -> (Option<Request>, Vec<Breadcrumb>) {
        let Some(key) = self.key() else { return (None, Vec::new()) };
        let mut shard = self.shard(key);
        let state = self.state(&mut shard, key);
        (state.request.clone(), state.crumbs.read())
    }

    /// Breadcrumbs that found no room.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    fn state<'a>(&self, shard: &'a mut Shard, key: u128) -> &'a mut State {
        let Shard { known, order, .. } = shard;
        if !known.contains_key(&key) {
            while known.len() >= MOST {
                let Some(oldest) = order.pop_front() else { break };
                if let Some(oldest) = known.remove(&oldest) {
                    self.bytes.fetch_sub(oldest.crumbs.capacity(), Relaxed);
                }
            }
            if order.len() >= 2 * MOST {
                order.retain(|key| known.contains_key(key));
            }
            order.push_back(key);
        }
        known.entry(key).or_default()
    }
}
