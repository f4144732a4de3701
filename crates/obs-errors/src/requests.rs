//! The requests in flight with their breadcrumbs, by exchange or trace.

use std::cell::Cell;
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::HashMap;
use obs_context::{active_span, current_request_id};
use tracing::Event;

use crate::breadcrumbs::{Breadcrumbs, FormattedEvent, MAX_REQUEST_BYTES};
use crate::report::{Breadcrumb, Request};

const SHARDS: usize = 16;
/// Requests of one shard: 16,384 in all.
const MAX_REQUESTS_PER_SHARD: usize = 1024;
/// Bytes of all breadcrumbs.
const MAX_BREADCRUMB_BYTES: usize = 32 * 1024 * 1024;

/// The requests in flight. A trace without an HTTP exchange, such as a job with a span of its own,
/// is here from its first breadcrumb until it is evicted.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    shards: [Mutex<Shard>; SHARDS],
    bytes: AtomicUsize,
    /// Breadcrumbs that were dropped at the limit.
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Shard {
    states: HashMap<u128, RequestState>,
    /// In the order of arrival; ended requests may still be here.
    order: VecDeque<u128>,
    /// The exchanges in flight of each trace.
    exchanges: HashMap<u128, Exchanges>,
}

#[derive(Debug)]
struct Exchanges {
    /// The number of the first.
    number: u64,
    count: usize,
}

/// One request.
#[derive(Debug, Default)]
pub(crate) struct RequestState {
    breadcrumbs: Breadcrumbs,
    pub(crate) request: Option<Request>,
    /// Whether an error of it was counted.
    has_error: bool,
}

thread_local! {
    /// The HTTP exchange that this thread is polling.
    static CURRENT_EXCHANGE: Cell<u64> = const { Cell::new(0) };
}

/// Sets the thread's current exchange. Returns the former one.
#[cfg(feature = "http")]
pub(crate) fn enter(number: u64) -> u64 {
    CURRENT_EXCHANGE.try_with(|current| current.replace(number)).unwrap_or_default()
}

/// The current trace's id or, without one, a hash of the request id.
fn trace_key() -> Option<u128> {
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

    /// The request of the current thread: its exchange, also in a spawned task where the trace has
    /// only one here; otherwise its trace.
    fn key(&self) -> Option<u128> {
        match CURRENT_EXCHANGE.try_with(Cell::get).unwrap_or_default() {
            0 => {
                let trace = trace_key()?;
                let shard = self.shard(trace);
                let alone = shard.exchanges.get(&trace).filter(|exchanges| exchanges.count == 1);
                Some(alone.map_or(trace, |exchanges| exchanges.number.into()))
            }
            number => Some(number.into()),
        }
    }

    /// Registers an exchange; the caller is in its span. Returns its trace.
    #[cfg(feature = "http")]
    pub(crate) fn begin(&self, number: u64, request: Request) -> Option<u128> {
        let trace = trace_key();
        if let Some(trace) = trace {
            let mut shard = self.shard(trace);
            let exchanges = shard.exchanges.entry(trace).or_insert(Exchanges { number, count: 0 });
            exchanges.count += 1;
        }
        let mut shard = self.shard(number.into());
        self.state(&mut shard, number.into()).request = Some(request);
        trace
    }

    /// Removes an exchange that has ended.
    #[cfg(feature = "http")]
    pub(crate) fn end(&self, number: u64, trace: Option<u128>) -> Option<RequestState> {
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
        let state = shard.states.remove(&number.into())?;
        drop(shard);
        self.bytes.fetch_sub(state.breadcrumbs.capacity(), Relaxed);
        Some(state)
    }

    /// Updates the request of an exchange.
    #[cfg(feature = "http")]
    pub(crate) fn change(&self, number: u64, change: impl FnOnce(&mut Request)) {
        let mut shard = self.shard(number.into());
        if let Some(request) =
            shard.states.get_mut(&number.into()).and_then(|state| state.request.as_mut())
        {
            change(request);
        }
    }

    /// Whether an error of this exchange was counted.
    #[cfg(feature = "http")]
    pub(crate) fn has_error(&self, number: u64) -> bool {
        let shard = self.shard(number.into());
        shard.states.get(&number.into()).is_some_and(|state| state.has_error)
    }

    /// Keeps an event as a breadcrumb.
    pub(crate) fn add(&self, event: &Event<'_>) {
        let Some(key) = self.key() else { return };
        if self.bytes.load(Relaxed) + MAX_REQUEST_BYTES > MAX_BREADCRUMB_BYTES {
            self.dropped.fetch_add(1, Relaxed);
            return;
        }
        let event_text = FormattedEvent::format(event);
        let mut shard = self.shard(key);
        let breadcrumbs = &mut self.state(&mut shard, key).breadcrumbs;
        let before = breadcrumbs.capacity();
        breadcrumbs.add(&event_text);
        let after = breadcrumbs.capacity();
        drop(shard);
        event_text.discard();
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

    /// The current request and its breadcrumbs.
    pub(crate) fn snapshot(&self) -> (Option<Request>, Vec<Breadcrumb>) {
        let Some(key) = self.key() else { return (None, Vec::new()) };
        let mut shard = self.shard(key);
        let state = self.state(&mut shard, key);
        (state.request.clone(), state.breadcrumbs.read())
    }

    /// Breadcrumbs that were dropped at the limit.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    fn state<'a>(&self, shard: &'a mut Shard, key: u128) -> &'a mut RequestState {
        let Shard { states, order, .. } = shard;
        if !states.contains_key(&key) {
            while states.len() >= MAX_REQUESTS_PER_SHARD {
                let Some(oldest) = order.pop_front() else { break };
                if let Some(oldest) = states.remove(&oldest) {
                    self.bytes.fetch_sub(oldest.breadcrumbs.capacity(), Relaxed);
                }
            }
            if order.len() >= 2 * MAX_REQUESTS_PER_SHARD {
                order.retain(|key| states.contains_key(key));
            }
            order.push_back(key);
        }
        states.entry(key).or_default()
    }
}
