//! Log lines and error events in order of arrival, indexed by trace and request id.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

use obs_context::TraceId;

use crate::model::Indexed;

#[derive(Debug)]
pub(crate) struct Recent<T> {
    items: VecDeque<Arc<T>>,
    /// The number of the first one in `items`; numbers are never used again.
    first: u64,
    by_trace: HashMap<TraceId, VecDeque<u64>>,
    by_request: HashMap<Box<str>, VecDeque<u64>>,
    bytes: usize,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self {
            items: VecDeque::new(),
            first: 1,
            by_trace: HashMap::new(),
            by_request: HashMap::new(),
            bytes: 0,
        }
    }
}

impl<T: Indexed> Recent<T> {
    /// Keeps one; answers how many had to go for it, or `None` where it alone is larger than all that is
    /// kept.
    pub(crate) fn add(&mut self, item: T, max_items: usize, max_bytes: usize) -> Option<u64> {
        let bytes = item.bytes();
        if bytes > max_bytes {
            return None;
        }
        let number = self.first + self.items.len() as u64;
        if let Some(trace_id) = item.trace_id() {
            self.by_trace.entry(trace_id).or_default().push_back(number);
        }
        if let Some(request_id) = item.request_id() {
            self.by_request.entry(request_id.into()).or_default().push_back(number);
        }
        self.items.push_back(Arc::new(item));
        self.bytes += bytes;
        let mut evicted = 0;
        while self.items.len() > max_items || self.bytes > max_bytes {
            self.evict_oldest();
            evicted += 1;
        }
        Some(evicted)
    }

    /// All of them, the one that arrived last first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Arc<T>> {
        self.items.iter().rev()
    }

    /// Those that arrived before the one of this number, with their numbers, the last one first.
    pub(crate) fn before(&self, number: u64) -> impl Iterator<Item = (u64, &Arc<T>)> {
        let end = self.index_of(number);
        let numbers = (self.first..self.first + end as u64).rev();
        numbers.zip(self.items.range(..end).rev())
    }

    /// Those that arrived after the one of this number, with their numbers, the first one first.
    pub(crate) fn after(&self, number: u64) -> impl Iterator<Item = (u64, &Arc<T>)> {
        let begin = self.index_of(number.saturating_add(1));
        (self.first + begin as u64..).zip(self.items.range(begin..))
    }

    /// The numbers of the first and of the last one that is kept.
    pub(crate) fn seq_range(&self) -> Option<(u64, u64)> {
        let last = (self.items.len() as u64).checked_sub(1)?;
        Some((self.first, self.first + last))
    }

    /// The number of the last one that ever was.
    pub(crate) fn latest(&self) -> u64 {
        (self.first + self.items.len() as u64).saturating_sub(1)
    }

    /// How many belong to this trace.
    pub(crate) fn count_of_trace(&self, id: TraceId) -> usize {
        self.by_trace.get(&id).map_or(0, VecDeque::len)
    }

    pub(crate) fn of_trace(&self, id: TraceId) -> impl Iterator<Item = &Arc<T>> {
        self.by_trace.get(&id).into_iter().flatten().filter_map(|number| self.item(*number))
    }

    pub(crate) fn of_request(&self, id: &str) -> impl Iterator<Item = &Arc<T>> {
        self.by_request.get(id).into_iter().flatten().filter_map(|number| self.item(*number))
    }

    pub(crate) fn trace_of_request(&self, id: &str) -> Option<TraceId> {
        self.of_request(id).filter_map(|item| item.trace_id()).last()
    }

    /// How many, and their bytes.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.items.len(), self.bytes)
    }

    /// Where the first one stands whose number is at least this one.
    fn index_of(&self, number: u64) -> usize {
        let index = usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX);
        index.min(self.items.len())
    }

    fn item(&self, number: u64) -> Option<&Arc<T>> {
        self.items.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    fn evict_oldest(&mut self) {
        let Some(item) = self.items.pop_front() else { return };
        self.first += 1;
        self.bytes = self.bytes.saturating_sub(item.bytes());
        if let Some(trace_id) = item.trace_id() {
            remove_first(&mut self.by_trace, &trace_id);
        }
        if let Some(request_id) = item.request_id() {
            remove_first(&mut self.by_request, request_id);
        }
    }
}

/// The oldest one is the first of every list that it is in.
fn remove_first<K, Q>(index: &mut HashMap<K, VecDeque<u64>>, key: &Q)
where
    K: Hash + Eq + std::borrow::Borrow<Q>,
    Q: Hash + Eq + ?Sized,
{
    if let Some(numbers) = index.get_mut(key) {
        numbers.pop_front();
        if numbers.is_empty() {
            index.remove(key);
        }
    }
}
