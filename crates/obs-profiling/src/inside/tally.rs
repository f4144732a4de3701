//! How often each stack was found, on which thread and for which span; bounded.

use std::collections::HashMap;
use std::sync::Arc;

use crate::attach::unwind::Addresses;
use crate::labels::Labels;

/// Different threads, stacks and labels together: past it samples lose their ids, past twice as many
/// their labels.
const MAX_COUNTS: usize = 65_536;
/// Addresses of all different stacks together, 8 bytes each.
const MAX_ADDRESSES: usize = 2_000_000;

/// One row of a [`Tally`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Found {
    pub(crate) tid: i32,
    /// The number of the stack.
    pub(crate) stack: usize,
    pub(crate) labels: Labels,
}

#[derive(Debug)]
pub(crate) struct Tally {
    numbers: HashMap<Arc<Addresses>, usize>,
    stacks: Vec<Arc<Addresses>>,
    addresses: usize,
    counts: HashMap<Found, u64>,
    unlabelled: u64,
}

impl Tally {
    pub(crate) fn new() -> Self {
        let mut tally = Self {
            numbers: HashMap::new(),
            stacks: Vec::new(),
            addresses: 0,
            counts: HashMap::new(),
            unlabelled: 0,
        };
        // The first stands for all for which there is no room.
        tally.number(Addresses::default());
        tally
    }

    pub(crate) fn add(&mut self, tid: i32, stack: Addresses, labels: Labels, count: u64) {
        let full = Found { tid, stack: self.number(stack), labels };
        let short = Found { labels: labels.without_ids(), ..full };
        let bare = Found { labels: Labels::default(), stack: 0, ..full };
        let room = self.counts.len();
        let has_room = |found: &Found, most| room < most || self.counts.contains_key(found);
        let found = if has_room(&full, MAX_COUNTS) {
            full
        } else {
            self.unlabelled += count;
            if has_room(&short, 2 * MAX_COUNTS) { short } else { bare }
        };
        *self.counts.entry(found).or_default() += count;
    }

    fn number(&mut self, stack: Addresses) -> usize {
        if let Some(number) = self.numbers.get(&stack) {
            return *number;
        }
        if self.addresses + stack.frames.len() > MAX_ADDRESSES {
            return 0;
        }
        self.addresses += stack.frames.len() + 1;
        let stack = Arc::new(stack);
        self.stacks.push(Arc::clone(&stack));
        self.numbers.insert(stack, self.stacks.len() - 1);
        self.stacks.len() - 1
    }

    pub(crate) fn stacks(&self) -> &[Arc<Addresses>] {
        &self.stacks
    }

    pub(crate) fn counts(&self) -> impl Iterator<Item = (&Found, u64)> {
        self.counts.iter().map(|(found, count)| (found, *count))
    }

    /// Samples whose labels were left out for want of room.
    pub(crate) fn unlabelled(&self) -> u64 {
        self.unlabelled
    }
}

#[cfg(test)]
mod tests {
    use obs_context::{SpanId, TraceId};

    use super::*;

    fn labels(number: u64) -> Labels {
        Labels {
            trace_id: Some(TraceId::new(u128::from(number))),
            span_id: Some(SpanId::new(number)),
            span: Some("work"),
            route: None,
        }
    }

    fn stack(frames: &[u64]) -> Addresses {
        Addresses { frames: frames.to_vec(), is_complete: true }
    }

    #[test]
    fn equal_samples_are_counted_together() {
        let mut tally = Tally::new();
        for _ in 0..3 {
            tally.add(1, stack(&[1, 2]), labels(7), 2);
        }
        let rows: Vec<_> = tally.counts().collect();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].1, 6);
        assert_eq!(tally.stacks()[rows[0].0.stack].frames, [1, 2]);
    }

    #[test]
    fn flood_of_traces_loses_ids_but_no_samples() {
        let mut tally = Tally::new();
        let samples = MAX_COUNTS as u64 + 1_000;
        for number in 0..samples {
            tally.add(1, stack(&[1, 2]), labels(number + 1), 1);
        }
        assert_eq!(tally.counts().map(|(_, count)| count).sum::<u64>(), samples);
        assert_eq!(tally.unlabelled(), 1_000);
        assert_eq!(tally.counts().count(), MAX_COUNTS + 1);
    }

    #[test]
    fn stacks_past_limit_are_counted_as_one() {
        let mut tally = Tally::new();
        let long = |number| stack(&vec![number; 500]);
        for number in 0..5_000 {
            tally.add(1, long(number), Labels::default(), 1);
        }
        assert!(tally.stacks().len() < 4_001);
        let other = tally.counts().find(|(found, _)| found.stack == 0).map(|(_, count)| count);
        assert_eq!(other, Some(5_001 - tally.stacks().len() as u64));
    }
}
