//! Spans by trace, oldest trace first.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use obs_context::TraceId;

use super::counters::Counters;
use super::limits::Limits;
use crate::model::Span;

/// A trace passes few services, each of which could mint a request id.
const MAX_REQUEST_IDS: usize = 16;

/// What the map, the order and the tree take besides the spans, a trace.
const TRACE_OVERHEAD_BYTES: usize = 512;

#[derive(Debug)]
pub(crate) struct Traces {
    by_id: HashMap<TraceId, Trace>,
    /// In the order of their first span's arrival.
    order: VecDeque<TraceId>,
    /// The number of the first one in `order`; numbers are never used again.
    first: u64,
    spans: usize,
    bytes: usize,
}

impl Default for Traces {
    fn default() -> Self {
        Self { by_id: HashMap::new(), order: VecDeque::new(), first: 1, spans: 0, bytes: 0 }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) spans: BTreeMap<u64, Arc<Span>>,
    pub(crate) request_ids: Vec<Box<str>>,
    bytes: usize,
}

impl Traces {
    pub(crate) fn add(
        &mut self,
        span: Span,
        limits: &Limits,
        counters: &mut Counters,
    ) -> Result<(), &'static str> {
        let bytes = span.bytes();
        if !span.trace_id.is_valid() || !span.span_id.is_valid() {
            return Err("a span without a valid trace id and span id");
        }
        if bytes + TRACE_OVERHEAD_BYTES > limits.span_bytes {
            return Err("a span larger than all that the console keeps: raise Limits::span_bytes");
        }
        let trace_id = span.trace_id;
        let trace = self.by_id.entry(trace_id).or_insert_with(|| {
            self.order.push_back(trace_id);
            self.bytes += TRACE_OVERHEAD_BYTES;
            Trace { bytes: TRACE_OVERHEAD_BYTES, ..Trace::default() }
        });
        let former = trace.spans.get(&span.span_id.get()).map(|former| former.bytes());
        if former.is_none() && trace.spans.len() >= limits.spans_per_trace {
            return Err(
                "more spans in one trace than the console keeps: raise Limits::spans_per_trace",
            );
        }
        if let Some(id) = span.request_id()
            && trace.request_ids.len() < MAX_REQUEST_IDS
            && !trace.request_ids.iter().any(|known| **known == *id)
        {
            trace.request_ids.push(id.into());
        }
        trace.spans.insert(span.span_id.get(), Arc::new(span));
        match former {
            Some(former) => {
                trace.bytes = trace.bytes.saturating_sub(former) + bytes;
                self.bytes = self.bytes.saturating_sub(former) + bytes;
                counters.spans_repeated += 1;
            }
            None => {
                trace.bytes += bytes;
                self.bytes += bytes;
                self.spans += 1;
            }
        }
        while self.by_id.len() > limits.traces || self.bytes > limits.span_bytes {
            let Some(evicted) = self.evict_oldest() else { break };
            counters.traces_evicted += 1;
            counters.spans_evicted += evicted as u64;
        }
        Ok(())
    }

    pub(crate) fn find(&self, id: TraceId) -> Option<&Trace> {
        self.by_id.get(&id)
    }

    /// All traces, the one that arrived last first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = (TraceId, &Trace)> {
        self.before(u64::MAX).map(|(_, id, trace)| (id, trace))
    }

    /// Those that arrived before the one of this number, with their numbers, the last one first.
    pub(crate) fn before(&self, number: u64) -> impl Iterator<Item = (u64, TraceId, &Trace)> {
        let place = usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let end = place.min(self.order.len());
        let numbers = (self.first..self.first + end as u64).rev();
        let numbered = numbers.zip(self.order.range(..end).rev());
        numbered.filter_map(|(number, id)| Some((number, *id, self.by_id.get(id)?)))
    }

    /// The number of the last one that ever was.
    pub(crate) fn latest(&self) -> u64 {
        (self.first + self.order.len() as u64).saturating_sub(1)
    }

    pub(crate) fn of_request(&self, request_id: &str) -> Option<TraceId> {
        let has = |trace: &Trace| trace.request_ids.iter().any(|id| **id == *request_id);
        self.newest_first().find(|(_, trace)| has(trace)).map(|(id, _)| id)
    }

    /// Traces, spans, bytes.
    pub(crate) fn size(&self) -> (usize, usize, usize) {
        (self.by_id.len(), self.spans, self.bytes)
    }

    fn evict_oldest(&mut self) -> Option<usize> {
        let oldest = self.order.pop_front()?;
        self.first += 1;
        let trace = self.by_id.remove(&oldest)?;
        self.bytes = self.bytes.saturating_sub(trace.bytes);
        self.spans = self.spans.saturating_sub(trace.spans.len());
        Some(trace.spans.len())
    }
}
