//! One pipeline: from the sampling decision of a root to the queue of the export thread.

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
use crate::record::{Chunk, Limits, Record, SpanContext, TailMode};
use crate::ring::{self, Consumer, Producer};
use crate::sample::{self, Ceiling, Rule, Rules, SamplingInput};
use crate::sql::Database;

#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) id: usize,
    /// The process that it was made in.
    pub(crate) generation: u32,
    /// What takes its place in a forked child.
    pub(crate) after_fork: OnceLock<Arc<Self>>,
    /// Whether there is an exporter.
    pub(crate) exporting: bool,
    pub(crate) limits: Limits,
    pub(crate) propagators: Propagators,
    pub(crate) database: Database,
    /// Events of this level and above are copied into their spans.
    pub(crate) copy_level: LevelFilter,
    /// Whether spans are current for OpenTelemetry's own API, too.
    #[cfg(feature = "otel-sdk")]
    pub(crate) activates_context: bool,
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
    pub(crate) buffers: Mutex<Vec<Arc<ThreadBuffer>>>,
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
pub(crate) struct ThreadBuffer {
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
        database: Database,
        copy_level: LevelFilter,
        open_spans: usize,
        queue: Queue,
    ) -> Self {
        watch_forks();
        static NEXT_ID: AtomicUsize = AtomicUsize::new(1);
        Self {
            id: NEXT_ID.fetch_add(1, Relaxed),
            generation: fork_generation(),
            after_fork: OnceLock::new(),
            exporting,
            limits,
            propagators: Propagators::default(),
            database,
            copy_level,
            #[cfg(feature = "otel-sdk")]
            activates_context: false,
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

    /// Identifies this pipeline in the process.
    #[inline]
    pub(crate) fn id(&self) -> usize {
        self.id
    }

    /// Writes what a new span is, below `parent` or, by the `rule`, for a new trace, into `span_context`. A child
    /// in a trace that is not sampled shares its parent's context, and needs no record (`false`).
    ///
    /// The decision is made once, where a trace enters this process; every span below follows it.
    #[inline(always)]
    pub(crate) fn start_span<'a>(
        &self,
        name: &'static str,
        parent: Option<&SpanContext>,
        origin: Option<&Origin>,
        rule: impl FnOnce() -> &'a Rule,
        span_context: &mut SpanContext,
    ) -> bool {
        match parent {
            Some(parent) if parent.is_unsampled() => {
                parent.write_alias(name, span_context);
                false
            }
            Some(parent) => {
                parent.write_child(SpanId::random(), name, span_context);
                true
            }
            None => {
                self.start_trace(name, origin, rule(), span_context);
                true
            }
        }
    }

    /// Counts a span on a thread that is at its end and keeps nothing for itself any more.
    #[cold]
    pub(crate) fn count_at_thread_end(&self, recording: bool) {
        self.totals.started.fetch_add(1, Relaxed);
        if !recording {
            self.totals.sampled_out.fetch_add(1, Relaxed);
        }
    }

    #[inline(never)]
    fn start_trace(
        &self,
        name: &'static str,
        origin: Option<&Origin>,
        rule: &Rule,
        span_context: &mut SpanContext,
    ) {
        let remote = origin.map(|origin| &origin.remote);
        let parent = remote.filter(|remote| remote.is_valid());
        let trace_id = parent.map_or_else(TraceId::random, RemoteContext::trace_id);
        let propagated = remote.and_then(|remote| remote.propagated().cloned());
        let route = origin.and_then(|origin| origin.route);
        let input = SamplingInput { trace_id, name, route, parent };
        let mut decision = rule.sampler.decide(&input, propagated);
        let mut tail = rule.tail.as_ref();
        if let Some(ceiling) = self.ceiling.as_ref().filter(|_| decision.sampled) {
            let propagated = decision.propagated.take();
            decision.sampled = ceiling.admit(trace_id, propagated.as_deref(), sample::now());
            decision.propagated = match decision.sampled {
                true => ceiling.propagated(propagated),
                false => remote.and_then(|remote| remote.propagated().cloned()),
            };
            tail = tail.or(Some(&ceiling.errors));
        }
        let tail = tail.filter(|_| self.exporting && !decision.sampled);
        span_context.release();
        span_context.trace_id = trace_id;
        span_context.span_id = SpanId::random();
        span_context.parent_id = parent.map_or(SpanId::INVALID, RemoteContext::span_id);
        span_context.name = name;
        span_context.route = route;
        span_context.sampled = decision.sampled;
        span_context.random = parent.is_none_or(RemoteContext::is_random);
        span_context.recording = self.exporting && (decision.sampled || tail.is_some());
        span_context.local_root = true;
        span_context.remote_parent = parent.is_some();
        if decision.propagated.is_some() {
            span_context.propagated = decision.propagated;
        }
        if let Some(tail) = tail {
            span_context.undecided = Some(self.tail.begin(tail));
        }
    }

    /// Hands a chunk to the export thread; counts it when there is no room.
    pub(crate) fn submit(&self, chunk: Chunk) {
        if chunk.is_empty() {
            return;
        }
        if let Some(ceiling) = &self.ceiling {
            let firsts = chunk.iter().map(|record| &record.span_context);
            let traces = firsts.filter(|span| span.local_root && span.sampled).count();
            ceiling.ended(chunk.len() as u64, traces as u64, sample::now());
        }
        if let Err(rejected) = self.queue.push(chunk) {
            self.totals.dropped.fetch_add(rejected.len() as u64, Relaxed);
            pool::recycle(rejected);
        }
    }

    /// A span that is not kept because too many are open.
    #[cold]
    pub(crate) fn count_dropped(&self, record: &Record) {
        if record.span_context.recording {
            self.totals.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Hands over what the threads have collected.
    pub(crate) fn drain(&self) {
        for buffer in self.buffers().iter() {
            self.drain_buffer(buffer);
        }
    }

    fn drain_buffer(&self, buffer: &ThreadBuffer) {
        let mut chunk = Vec::new();
        buffer.take(&mut chunk);
        self.submit(chunk);
    }

    pub(crate) fn attach(&self) -> (Arc<ThreadBuffer>, Producer<Box<Record>>) {
        let (producer, consumer) = ring::channel();
        let ended = Mutex::new(consumer);
        let counter = AtomicU64::default;
        let buffer = Arc::new(ThreadBuffer { ended, started: counter(), sampled_out: counter() });
        self.buffers().push(Arc::clone(&buffer));
        (buffer, producer)
    }

    /// The thread of this buffer ends.
    pub(crate) fn detach(&self, buffer: &Arc<ThreadBuffer>) {
        self.drain_buffer(buffer);
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

    fn buffers(&self) -> MutexGuard<'_, Vec<Arc<ThreadBuffer>>> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ThreadBuffer {
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
        chunk.extend(std::iter::from_fn(|| ended.pop()).take(ring::CAPACITY));
    }
}

#[inline]
fn increment(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed) + 1, Relaxed);
}
