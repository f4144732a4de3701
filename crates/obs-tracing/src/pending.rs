//! The spans of traces whose fate is decided at their end.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::pool;
use crate::record::{AttributeValue, Chunk, Limits, Pending, Record, State, Tail, TailMode};
use crate::sample::RULE_PANICKED;

impl TailMode {
    /// A trace to be decided upon at its end.
    #[cold]
    pub(crate) fn begin(self: &Arc<Self>, rules: &Arc<Tail>) -> Arc<Pending> {
        let rules = Arc::clone(rules);
        let state = State::Undecided { spans: Vec::new(), bytes: 0, reason: None };
        Arc::new(Pending { mode: Arc::clone(self), rules, state: Mutex::new(state) })
    }

    pub(crate) fn discard(&self, spans: Chunk, bytes: u64) {
        self.bytes.fetch_sub(bytes, Relaxed);
        self.discarded.fetch_add(spans.len() as u64, Relaxed);
        pool::recycle(spans);
    }
}

impl Pending {
    /// Whether it is a trace of this pipeline.
    pub(crate) fn is_of(&self, mode: &Arc<TailMode>) -> bool {
        Arc::ptr_eq(&self.mode, mode)
    }

    /// Takes a span that is over; spans to be exported come back.
    pub(crate) fn end(&self, mut record: Box<Record>, limits: &Limits) -> Chunk {
        let reason = self.rules.reason(&record); // may run the application's code: not under the lock
        if reason == Some(RULE_PANICKED) {
            self.mode.panics.fetch_add(1, Relaxed);
        }
        let is_last = record.identity.local_root;
        let mut state = self.lock();
        let (spans, bytes, known) = match &mut *state {
            State::Undecided { spans, bytes, reason } => (spans, bytes, reason),
            State::Kept => return vec![record],
            State::Discarded => {
                drop(state);
                self.mode.discard(vec![record], 0);
                return Vec::new();
            }
        };
        *known = known.or(reason);
        if is_last && let Some(reason) = *known {
            record.set("sampling.reason", AttributeValue::Text(reason), limits);
        }
        let weight = u64::from(record.weight);
        spans.push(record);
        let held = self.mode.bytes.fetch_add(weight, Relaxed) + weight;
        *bytes += weight;
        let no_room = held > self.rules.memory;
        if !is_last && !no_room {
            return Vec::new();
        }
        let (spans, bytes, keep) = (std::mem::take(spans), *bytes, is_last && known.is_some());
        *state = if keep { State::Kept } else { State::Discarded };
        drop(state);
        if keep {
            self.mode.bytes.fetch_sub(bytes, Relaxed);
            return spans;
        }
        if no_room {
            self.mode.evicted.fetch_add(spans.len() as u64, Relaxed);
        }
        self.mode.discard(spans, bytes);
        Vec::new()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody is left who could end the trace.
impl Drop for Pending {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let State::Undecided { spans, bytes, .. } = state {
            let (spans, bytes) = (std::mem::take(spans), *bytes);
            self.mode.discard(spans, bytes);
        }
    }
}
