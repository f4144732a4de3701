//! The report of a flush.

/// The result of a flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlushReport {
    /// Lines that the output has taken, since the start.
    pub written: u64,
    /// Lines that were lost, since the start: to a full buffer, to a failed write, or to a deadline.
    pub dropped: u64,
    /// Of the dropped lines, those that were on their way to a collector at the deadline of a shutdown.
    pub unknown: u64,
    /// Whether everything that was logged before the call has been written or counted as dropped in time.
    pub complete: bool,
}
