//! One pipeline: from the decision about a root to the queue of the export thread.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use obs_context::{SpanId, TraceId, fork_generation, watch_forks};
use tracing::level_filters::LevelFilter;

use crate::open::Table;
use crate::pool;
use crate::propagate::{Origin, Propagators, RemoteContext};
use crate::queue::Queue;
use crate::record::{Chunk, Identity, Limits, Record, TailMode};
use crate::ring::{self, Consumer, Producer};
use crate::sample::{self, Ceiling, Question, Rule, Rules};
use crate::sql::Database;

#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) number: usize,
    /// The process that it was made in.
    pub(crate) generation: u32,
    /// What takes its place in a forked child.
    pub(crate) successor: OnceLock<Arc<Self>>,
    /// Whether there is anybody to export to.
    pub(crate) exporting: bool,
    pub(crate) limits: Limits,
    pub(crate) propagators: Propagators,
    pub(crate) database: Database,
    /// Events of this level and above are copied into their spans.
    pub(crate) copied: LevelFilter,
    /// Whether spans are current for OpenTelemetry's own API, too.
    #[cfg(feature = "otel-sdk")]
    pub(crate) activates: bool,
    pub(crate) rules: Rules,
    /// How much may be exported, where that is said.
    pub(crate) ceiling: Option<Ceiling>,
    pub(crate) tail: Arc<TailMode>,
    pub(crate) table: Table,
    /// What the table was made for.
    pub(crate) open_spans: usize,
    pub(crate) queue: Queue,
    pub(crate) totals: Totals,
    /// Spans and bytes of each callsite, by its name.
    pub(crate) costs: Mutex<HashMap<&'static str, (u64, u64)>>,
    /// One a thread.
    pub(crate) buffers: Mutex<Vec<Arc<Buffer>>>,
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
    pub(crate) unknown: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

/// What one thread counts and collects; the export thread empties it now and then.
#[derive(Debug)]
pub(crate) struct Buffer {
    ended: Mutex<Consumer<Box<Record>>>,
    /// Written by its thread alone.
    started: AtomicU64,
    sampled_out: AtomicU64,
}

impl Pipeline {
    pub(crate) fn new(
        exporting: bool,
        rules: Rules,
        limits: Limits,
        propagators: Propagators,
        database: Database,
        copied: LevelFilter,
        open_spans: usize,
        queue: Queue,
    ) -> Self {
        watch_forks();
        static NUMBER: AtomicUsize = AtomicUsize::new(1);
        Self {
            number: NUMBER.fetch_add(1, Relaxed),
            generation: fork_generation(),
            successor: OnceLock::new(),
            exporting,
            limits,
            propagators,
            database,
            copied,
            #[cfg(feature = "otel-sdk")]
            activates: false,
            rules,
            ceiling: None,
            tail: Arc::default(),
            table: Table::new(open_spans),
            open_spans,
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

    /// Writes what a new span is, below `parent` or, by the `rule`, for a new trace, into `identity`. A child
    /// in a trace that is not sampled is its parent to everybody, and needs no record (`false`).
    ///
    /// The decision is made once, where a trace enters this process; every span below follows it.
    #[inline(always)]
    pub(crate) fn conceive<'a>(
        &self,
        name: &'static str,
        parent: Option<&Identity>,
        origin: Option<&Origin>,
        rule: impl FnOnce() -> &'a Rule,
        identity: &mut Identity,
    ) -> bool {
        match parent {
            Some(parent) if parent.is_out() => {
                parent.write_alias(name, identity);
                false
            }
            Some(parent) => {
                parent.write_child(SpanId::random(), name, identity);
                true
            }
            None => {
                self.write_root(name, origin, rule(), identity);
                true
            }
        }
    }

    /// Counts a span on a thread that is at its end and keeps nothing for itself any more.
    #[cold]
    pub(crate) fn count_late(&self, recording: bool) {
        self.totals.started.fetch_add(1, Relaxed);
        if !recording {
            self.totals.sampled_out.fetch_add(1, Relaxed);
        }
    }

    #[inline(never)]
    fn write_root(
        &self,
        name: &'static str,
        origin: Option<&Origin>,
        rule: &Rule,
        identity: &mut Identity,
    ) {
        let remote = origin.map(|origin| &origin.remote);
        let parent = remote.filter(|remote| remote.is_valid());
        let trace_id = parent.map_or_else(TraceId::random, RemoteContext::trace_id);
        let carried = remote.and_then(|remote| remote.carried().cloned());
        let route = origin.and_then(|origin| origin.route);
        let question = Question { trace_id, name, route, parent };
        let mut decision = rule.sampler.decide(&question, carried);
        let mut tail = rule.tail.as_ref();
        if let Some(ceiling) = self.ceiling.as_ref().filter(|_| decision.sampled) {
            let carried = decision.carried.take();
            decision.sampled = ceiling.admit(trace_id, carried.as_deref(), sample::now());
            decision.carried = match decision.sampled {
                true => ceiling.carried(carried),
                false => remote.and_then(|remote| remote.carried().cloned()),
            };
            tail = tail.or(Some(&ceiling.errors));
        }
        let tail = tail.filter(|_| self.exporting && !decision.sampled);
        identity.release();
        identity.trace_id = trace_id;
        identity.span_id = SpanId::random();
        identity.parent_id = parent.map_or(SpanId::INVALID, RemoteContext::span_id);
        identity.name = name;
        identity.route = route;
        identity.sampled = decision.sampled;
        identity.random = parent.is_none_or(RemoteContext::is_random);
        identity.recording = self.exporting && (decision.sampled || tail.is_some());
        identity.local_root = true;
        identity.remote_parent = parent.is_some();
        if decision.carried.is_some() {
            identity.carried = decision.carried;
        }
        if let Some(tail) = tail {
            identity.pending = Some(self.tail.begin(tail));
        }
    }

    /// Hands a chunk to the export thread; counts it when there is no room.
    pub(crate) fn submit(&self, chunk: Chunk) {
        if chunk.is_empty() {
            return;
        }
        if let Some(ceiling) = &self.ceiling {
            let firsts = chunk.iter().map(|record| &record.identity);
            let traces = firsts.filter(|span| span.local_root && span.sampled).count();
            ceiling.ended(chunk.len() as u64, traces as u64, sample::now());
        }
        if let Err(refused) = self.queue.push(chunk) {
            self.totals.dropped.fetch_add(refused.len() as u64, Relaxed);
            pool::recycle(refused);
        }
    }

    /// A span that is not kept because too many are open.
    #[cold]
    pub(crate) fn refuse(&self, record: &Record) {
        if record.identity.recording {
            self.totals.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Hands over what the threads have collected.
    pub(crate) fn drain(&self) {
        for buffer in self.buffers().iter() {
            self.collect(buffer);
        }
    }

    fn collect(&self, buffer: &Buffer) {
        let mut chunk = Vec::new();
        buffer.take(&mut chunk);
        self.submit(chunk);
    }

    pub(crate) fn attach(&self) -> (Arc<Buffer>, Producer<Box<Record>>) {
        let (producer, consumer) = ring::ring();
        let ended = Mutex::new(consumer);
        let counter = AtomicU64::default;
        let buffer = Arc::new(Buffer { ended, started: counter(), sampled_out: counter() });
        self.buffers().push(Arc::clone(&buffer));
        (buffer, producer)
    }

    /// The thread of this buffer ends.
    pub(crate) fn detach(&self, buffer: &Arc<Buffer>) {
        self.collect(buffer);
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
        sampled_out += self.tail.discarded.load(Relaxed);
        for buffer in buffers.iter() {
            started += buffer.started.load(Relaxed);
            sampled_out += buffer.sampled_out.load(Relaxed);
        }
        (started, sampled_out)
    }

    /// Adds what one request holds of each name.
    pub(crate) fn add_costs(&self, request: &[(&'static str, u64, u64)]) {
        let mut costs = self.costs();
        for &(name, spans, bytes) in request {
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
    /// Counts a span that begins. For the buffer's own thread.
    #[inline]
    pub(crate) fn count(&self, recording: bool) {
        increment(&self.started);
        if !recording {
            increment(&self.sampled_out);
        }
    }

    /// Collects the ended spans: those of the moment, however fast their thread adds to them.
    pub(crate) fn take(&self, chunk: &mut Chunk) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        chunk.extend(std::iter::from_fn(|| ended.pop()).take(ring::ROOM));
    }
}

#[inline]
fn increment(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed) + 1, Relaxed);
}
