//! Where lines go, and the account of every one of them.

mod choice;
mod direct;
mod file;
mod merge;
mod policy;
mod process;
mod queue;
#[cfg(feature = "otlp")]
mod records;
mod report;
mod shards;
mod shared;
mod source;
mod state;
mod tally;
mod target;
mod waker;
mod worker;
mod writing;

use std::time::Duration;

use tracing_core::Level;

pub use choice::Output;
pub(crate) use direct::Direct;
#[cfg(unix)]
pub use file::reopen_files_on_hangup;
pub use file::{LogFile, reopen_files};
pub(crate) use file::{failed_removals, failed_rotations};
pub use policy::{Delivery, WhenFull};
pub(crate) use queue::{AtDeadline, Queue};
#[cfg(feature = "otlp")]
pub(crate) use records::{DeliveryOutcome, Records};
pub use report::FlushReport;
pub(crate) use shared::{Shared, SharedWrite};
pub(crate) use source::Accounts;
pub use tally::Counts;
pub(crate) use tally::Tally;
pub(crate) use target::{Notice, Target};

/// The way of a line to its output.
pub(crate) enum Sink {
    Direct(Direct),
    Shared(Box<Shared>),
    Queue(Queue),
}

impl Sink {
    /// Takes a whole line, its newline included; answers whether it was not dropped at once.
    #[inline]
    pub(crate) fn push(&self, level: Level, line: &[u8]) -> bool {
        match self {
            Self::Direct(direct) => direct.push(level, line),
            Self::Shared(shared) => shared.push(level, line),
            Self::Queue(queue) => queue.push(level, line),
        }
    }

    pub(crate) fn flush(&self, deadline: Duration) -> FlushReport {
        match self {
            Self::Direct(direct) => direct.flush(deadline),
            Self::Shared(shared) => shared.flush(),
            Self::Queue(queue) => queue.flush(deadline),
        }
    }

    pub(crate) fn shutdown(&self, deadline: Duration) -> FlushReport {
        match self {
            Self::Direct(direct) => direct.flush(deadline),
            Self::Shared(shared) => shared.flush(),
            Self::Queue(queue) => queue.shutdown(deadline),
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        match self {
            Self::Direct(direct) => direct.counts(),
            Self::Shared(shared) => shared.counts(),
            Self::Queue(queue) => queue.counts(),
        }
    }

    /// Lines by level, errors first.
    fn emitted(&self) -> [u64; 5] {
        match self {
            Self::Direct(direct) => direct.emitted(),
            Self::Shared(shared) => shared.emitted(),
            Self::Queue(queue) => queue.emitted(),
        }
    }

    fn tally(&self) -> &Tally {
        match self {
            Self::Direct(direct) => direct.tally(),
            Self::Shared(shared) => shared.tally(),
            Self::Queue(queue) => queue.tally(),
        }
    }
}
