//! Traces in tail mode: kept or dropped at their end.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::pool;
use crate::record::{
    AttributeValue, Chunk, Limits, Record, Tail, TailDecision, TailMode, UndecidedTrace,
};
use crate::sample::RULE_PANICKED;

impl TailMode {
    /// A trace to be decided upon at its end.
    #[cold]
    pub(crate) fn begin(self: &Arc<Self>, rules: &Arc<Tail>) -> Arc<UndecidedTrace> {
        let rules = Arc::clone(rules);
        let state = TailDecision::Undecided { spans: Vec::new(), bytes: 0, reason: None };
        Arc::new(UndecidedTrace { mode: Arc::clone(self), rules, state: Mutex::new(state) })
    }

    pub(crate) fn discard(&self, spans: Chunk, bytes: u64) {
        self.bytes.fetch_sub(bytes, Relaxed);
        self.discarded.fetch_add(spans.len() as u64, Relaxed);
        pool::recycle(spans);
    }
}

impl UndecidedTrace {
    /// Whether it is a trace of this pipeline.
    pub(crate) fn belongs_to(&self, mode: &Arc<TailMode>) -> bool {
        Arc::ptr_eq(&self.mode, mode)
    }

    /// Takes a span that is over; spans to be exported come back.
    pub(crate) fn end_span(&self, mut record: Box<Record>, limits: &Limits) -> Chunk {
        let reason = self.rules.reason(&record); // may run the application's code: not under the lock
        if reason == Some(RULE_PANICKED) {
            self.mode.panics.fetch_add(1, Relaxed);
        }
        let is_last = record.span_context.local_root;
        let mut state = self.lock();
        let (spans, bytes, known) = match &mut *state {
            TailDecision::Undecided { spans, bytes, reason } => (spans, bytes, reason),
            TailDecision::Kept => return vec![record],
            TailDecision::Discarded => {
                drop(state);
                self.mode.discard(vec![record], 0);
                return Vec::new();
            }
        };
        *known = known.or(reason);
        if is_last && let Some(reason) = *known {
            record.set("sampling.reason", AttributeValue::Text(reason), limits);
        }
        let estimated_bytes = u64::from(record.estimated_bytes);
        spans.push(record);
        let buffered = self.mode.bytes.fetch_add(estimated_bytes, Relaxed) + estimated_bytes;
        *bytes += estimated_bytes;
        let is_full = buffered > self.rules.memory;
        if !is_last && !is_full {
            return Vec::new();
        }
        let (spans, bytes, keep) = (std::mem::take(spans), *bytes, is_last && known.is_some());
        *state = if keep { TailDecision::Kept } else { TailDecision::Discarded };
        drop(state);
        if keep {
            self.mode.bytes.fetch_sub(bytes, Relaxed);
            return spans;
        }
        if is_full {
            self.mode.evicted.fetch_add(spans.len() as u64, Relaxed);
        }
        self.mode.discard(spans, bytes);
        Vec::new()
    }

    fn lock(&self) -> MutexGuard<'_, TailDecision> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// No span is left that could end the trace.
impl Drop for UndecidedTrace {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let TailDecision::Undecided { spans, bytes, .. } = state {
            let (spans, bytes) = (std::mem::take(spans), *bytes);
            self.mode.discard(spans, bytes);
        }
    }
}
