//! One pipeline: from the decision about a root to the queue of the export thread.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use obs_context::{SpanId, TraceId};

use crate::local::{self, Local};
use crate::propagate::{Origin, RemoteContext};
use crate::queue::{Chunk, Queue};
use crate::record::{Birth, Limits, Open};
use crate::sample::{Question, Sampler};

/// A thread hands its ended spans over in chunks of at least this many.
const WORTH_A_CHUNK: usize = 32;
/// And no later than at this many, in the middle of a trace.
const LARGEST_CHUNK: usize = 64;

#[derive(Debug)]
pub(crate) struct Pipeline {
    number: usize,
    /// Whether there is anybody to export to.
    exporting: bool,
    pub(crate) limits: Limits,
    /// `db.system.name` of the SQL spans.
    pub(crate) database: Option<String>,
    pub(crate) sampler: ArcSwap<Sampler>,
    pub(crate) queue: Queue,
    pub(crate) totals: Totals,
    /// Spans and bytes of each callsite, by its name.
    costs: Mutex<HashMap<&'static str, (u64, u64)>>,
    /// One a thread.
    buffers: Mutex<Vec<Arc<Buffer>>>,
}

/// A span to be.
pub(crate) enum Conceived {
    /// With a record for it.
    New(Birth, Arc<Open>),
    /// A child in a trace that is not sampled: it has no ids of its own, and is its parent to everybody.
    Unsampled(Arc<Open>),
}

/// Numbers that only grow.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    /// Of threads that are gone.
    started: AtomicU64,
    sampled_out: AtomicU64,
    pub(crate) exported: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) rejected: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

/// What one thread counts and collects; the export thread empties it now and then.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    ended: Mutex<Chunk>,
    /// Written by its thread alone.
    started: AtomicU64,
    sampled_out: AtomicU64,
}

impl Pipeline {
    pub(crate) fn new(
        exporting: bool,
        sampler: Sampler,
        limits: Limits,
        database: Option<String>,
        queue: Queue,
    ) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(1);
        Self {
            number: NUMBER.fetch_add(1, Relaxed),
            exporting,
            limits,
            database,
            sampler: ArcSwap::from_pointee(sampler),
            queue,
            totals: Totals::default(),
            costs: Mutex::default(),
            buffers: Mutex::default(),
        }
    }

    /// Tells this pipeline from others in one process.
    #[inline]
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// What a new span is: below `parent`, or, where it is `contextual`, below the current one.
    ///
    /// The decision is made once, where a trace enters this process; every span below follows it.
    #[inline]
    pub(crate) fn conceive(
        self: &Arc<Self>,
        local: &mut Local,
        name: &'static str,
        parent: Option<&Arc<Open>>,
        contextual: bool,
    ) -> Conceived {
        let current = if contextual { local.current(self.number) } else { None };
        let birth = match parent.or(current) {
            Some(parent) if !parent.sampled => Err(Arc::clone(parent)),
            Some(parent) => Ok(Birth::below(parent)),
            None => Ok(self.root(name, local.origin.as_deref())),
        };
        let buffer = local.buffer(self);
        increment(&buffer.started);
        if !birth.as_ref().is_ok_and(|birth| birth.recording) {
            increment(&buffer.sampled_out);
        }
        match birth {
            Ok(birth) => Conceived::New(birth, local.take()),
            Err(parent) => Conceived::Unsampled(parent),
        }
    }

    /// The same for a thread that is at its end and keeps nothing for itself any more.
    #[cold]
    pub(crate) fn conceive_late(
        &self,
        name: &'static str,
        parent: Option<&Arc<Open>>,
    ) -> Conceived {
        let birth = match parent {
            Some(parent) => Birth::below(parent),
            None => self.root(name, None),
        };
        self.totals.started.fetch_add(1, Relaxed);
        if !birth.recording {
            self.totals.sampled_out.fetch_add(1, Relaxed);
        }
        Conceived::New(birth, Arc::new(Open::blank()))
    }

    #[cold]
    fn root(&self, name: &'static str, origin: Option<&Origin>) -> Birth {
        let remote = origin.map(|origin| &origin.remote);
        let parent = remote.filter(|remote| remote.is_valid());
        let trace_id = parent.map_or_else(TraceId::random, RemoteContext::trace_id);
        let carried = remote.and_then(|remote| remote.carried().cloned());
        let question = Question { trace_id, name, parent };
        let decision = self.sampler.load().decide(&question, carried);
        Birth {
            trace_id,
            parent_id: parent.map_or(SpanId::INVALID, RemoteContext::span_id),
            route: origin.and_then(|origin| origin.route),
            sampled: decision.sampled,
            recording: decision.sampled && self.exporting,
            random: parent.is_none_or(RemoteContext::is_random),
            local_root: true,
            remote_parent: parent.is_some(),
            carried: decision.carried,
        }
    }

    /// The span is over: what it recorded is final from here on. Does nothing the second time.
    #[inline]
    pub(crate) fn finish(self: &Arc<Self>, mut open: Arc<Open>) {
        if !open.recording {
            if Arc::get_mut(&mut open).is_some() {
                local::with(|local| local.give_back(open));
            }
            return;
        }
        let ended = match Arc::get_mut(&mut open) {
            Some(open) => open.record_mut().finish(),
            None => open.record().finish(),
        };
        let Some(weight) = ended else { return };
        open.weight.store(weight, Relaxed);
        let mut slot = Some(open);
        let full = local::with(|local| {
            let open = slot.take()?;
            local.buffer(self).push(open)
        });
        match (full, slot) {
            (Some(Some(chunk)), _) => self.submit(chunk),
            (_, Some(open)) => self.submit(vec![open]), // the thread is at its end
            _ => {}
        }
    }

    /// Hands a chunk to the export thread; counts it when there is no room.
    pub(crate) fn submit(&self, chunk: Chunk) {
        if let Err(refused) = self.queue.push(chunk) {
            self.totals.dropped.fetch_add(refused.len() as u64, Relaxed);
            recycle(refused);
        }
    }

    /// A span that is not kept because too many are open.
    pub(crate) fn refuse(&self, open: &Open) {
        if open.recording {
            open.record().finish();
            self.totals.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Hands over what the threads have collected.
    pub(crate) fn drain(&self) {
        for buffer in self.buffers().iter() {
            let chunk = buffer.take();
            if !chunk.is_empty() {
                self.submit(chunk);
            }
        }
    }

    pub(crate) fn attach(&self) -> Arc<Buffer> {
        let buffer = Arc::new(Buffer::default());
        self.buffers().push(Arc::clone(&buffer));
        buffer
    }

    /// The thread of this buffer ends.
    pub(crate) fn detach(&self, buffer: &Arc<Buffer>) {
        let chunk = buffer.take();
        if !chunk.is_empty() {
            self.submit(chunk);
        }
        let mut buffers = self.buffers();
        self.totals.started.fetch_add(buffer.started.load(Relaxed), Relaxed);
        self.totals.sampled_out.fetch_add(buffer.sampled_out.load(Relaxed), Relaxed);
        buffers.retain(|known| !Arc::ptr_eq(known, buffer));
    }

    /// Spans started, and those of them that were not kept.
    pub(crate) fn started_and_sampled_out(&self) -> (u64, u64) {
        let buffers = self.buffers();
        let mut started = self.totals.started.load(Relaxed);
        let mut sampled_out = self.totals.sampled_out.load(Relaxed);
        for buffer in buffers.iter() {
            started += buffer.started.load(Relaxed);
            sampled_out += buffer.sampled_out.load(Relaxed);
        }
        (started, sampled_out)
    }

    /// Adds what one request holds of each name.
    pub(crate) fn add_costs(&self, request: impl Iterator<Item = (&'static str, u64, u64)>) {
        let mut costs = self.costs();
        for (name, spans, bytes) in request {
            let cost = costs.entry(name).or_default();
            *cost = (cost.0 + spans, cost.1 + bytes);
        }
    }

    pub(crate) fn costs(&self) -> MutexGuard<'_, HashMap<&'static str, (u64, u64)>> {
        self.costs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn buffers(&self) -> MutexGuard<'_, Vec<Arc<Buffer>>> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buffer {
    /// Adds an ended span; a chunk that is worth handing over comes back.
    #[inline]
    fn push(&self, open: Arc<Open>) -> Option<Chunk> {
        let local_root = open.local_root;
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.push(open);
        let worth = if local_root { WORTH_A_CHUNK } else { LARGEST_CHUNK };
        (ended.len() >= worth)
            .then(|| std::mem::replace(&mut *ended, Vec::with_capacity(LARGEST_CHUNK)))
    }

    fn take(&self) -> Chunk {
        std::mem::take(&mut self.ended.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[inline]
fn increment(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed) + 1, Relaxed);
}

/// Empties records for their next span.
pub(crate) fn recycle(mut chunk: Chunk) {
    chunk.retain_mut(|open| match Arc::get_mut(open) {
        Some(open) => {
            open.record_mut().clear();
            open.carried = None;
            true
        }
        None => false, // somebody still looks at it
    });
    crate::pool::give_back(chunk);
}
