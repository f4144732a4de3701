//! An output that takes many lines at once, as records, and reports what became of them.

use super::tally::Tally;
use super::writing::WRITER;

/// The most bytes of lines that one delivery is made of.
const MAX_DELIVERY_BYTES: usize = 1024 * 1024;

/// Takes lines away from the process.
pub(crate) trait Records: Send {
    /// Delivers `count` whole lines. May block up to its own timeout.
    fn deliver(&mut self, lines: &[u8], count: u64) -> DeliveryOutcome;

    /// What was there at this moment has been delivered.
    fn end_of_pass(&mut self);
}

/// What became of some lines: all of them are in one of the first two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DeliveryOutcome {
    pub(crate) delivered: u64,
    pub(crate) lost: u64,
    /// Of those that are lost, those that may have been delivered all the same.
    pub(crate) unknown: u64,
}

/// Delivers lines that end at `ends`, in as many parts as it takes, and answers whether all went well.
pub(super) fn write(records: &mut dyn Records, bytes: &[u8], ends: &[u32], tally: &Tally) -> bool {
    let (mut start, mut rest) = (0, ends);
    let mut is_well = true;
    while let Some(first) = rest.first() {
        let fitting = rest.partition_point(|end| *end as usize <= start + MAX_DELIVERY_BYTES);
        let (part, others) = rest.split_at(fitting.max(1));
        let end = *part.last().unwrap_or(first) as usize;
        let lines = bytes.get(start..end).unwrap_or_default();
        let count = part.len() as u64;
        let outcome = WRITER.call(|| records.deliver(lines, count));
        let outcome =
            outcome.unwrap_or(DeliveryOutcome { lost: count, ..DeliveryOutcome::default() });
        tally.written.add(outcome.delivered);
        tally.lost.add(outcome.lost);
        tally.unknown.add(outcome.unknown);
        if outcome.delivered > 0 {
            tally.bytes.add(lines.len() as u64);
        }
        if outcome.lost > 0 {
            tally.write_errors.add(1);
            is_well = false;
        }
        (start, rest) = (end, others);
    }
    is_well
}
