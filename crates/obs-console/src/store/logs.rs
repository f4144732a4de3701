//! Log lines in the order of their arrival, found by trace and by request id.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

use obs_context::TraceId;

use super::limits::Limits;
use super::stats::Counters;
use crate::model::LogLine;

#[derive(Debug, Default)]
pub(crate) struct Logs {
    lines: VecDeque<Arc<LogLine>>,
    /// The number of the first line in `lines`; numbers are never used again.
    first: u64,
    by_trace: HashMap<TraceId, VecDeque<u64>>,
    by_request: HashMap<Box<str>, VecDeque<u64>>,
    bytes: usize,
}

impl Logs {
    pub(super) fn add(
        &mut self,
        line: LogLine,
        limits: &Limits,
        counters: &mut Counters,
    ) -> Result<(), &'static str> {
        let bytes = line.bytes();
        if bytes > limits.log_bytes {
            return Err("a line larger than all that the console keeps: raise Limits::log_bytes");
        }
        let number = self.first + self.lines.len() as u64;
        if let Some(trace_id) = line.trace_id {
            self.by_trace.entry(trace_id).or_default().push_back(number);
        }
        if let Some(request_id) = &line.request_id {
            self.by_request.entry(request_id.clone()).or_default().push_back(number);
        }
        self.lines.push_back(Arc::new(line));
        self.bytes += bytes;
        while self.lines.len() > limits.logs || self.bytes > limits.log_bytes {
            self.evict_oldest();
            counters.logs_evicted += 1;
        }
        Ok(())
    }

    pub(crate) fn of_trace(&self, id: TraceId) -> impl Iterator<Item = &Arc<LogLine>> {
        self.by_trace.get(&id).into_iter().flatten().filter_map(|number| self.line(*number))
    }

    pub(crate) fn of_request(&self, id: &str) -> impl Iterator<Item = &Arc<LogLine>> {
        self.by_request.get(id).into_iter().flatten().filter_map(|number| self.line(*number))
    }

    pub(super) fn trace_of_request(&self, id: &str) -> Option<TraceId> {
        self.of_request(id).filter_map(|line| line.trace_id).last()
    }

    /// Lines, bytes.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.lines.len(), self.bytes)
    }

    fn line(&self, number: u64) -> Option<&Arc<LogLine>> {
        self.lines.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    fn evict_oldest(&mut self) {
        let Some(line) = self.lines.pop_front() else { return };
        self.first += 1;
        self.bytes = self.bytes.saturating_sub(line.bytes());
        if let Some(trace_id) = line.trace_id {
            forget_first(&mut self.by_trace, &trace_id);
        }
        if let Some(request_id) = &line.request_id {
            forget_first(&mut self.by_request, request_id);
        }
    }
}

/// The oldest line is the first of every list that it is in.
fn forget_first<K: Hash + Eq>(index: &mut HashMap<K, VecDeque<u64>>, key: &K) {
    if let Some(numbers) = index.get_mut(key) {
        numbers.pop_front();
        if numbers.is_empty() {
            index.remove(key);
        }
    }
}
