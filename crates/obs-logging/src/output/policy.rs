//! How lines are handed to the output.

use tracing_core::Level;

/// Whether the thread that logs also writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The thread that logs writes, one line a call: it waits for the output, and nothing is ever in
    /// between. For tools and tests.
    Blocking,
    /// A thread of its own writes, many lines a call. For services.
    ///
    /// Lines of one thread keep their order. Those of several threads are written in the order of their
    /// time within a batch, and batches follow one another: a task that moves between threads keeps the
    /// order of its lines.
    NonBlocking {
        /// How many bytes may wait for the output, over all threads (a few lines more where many threads
        /// log at the same moment). As much again may be in the writer's hands, and a
        /// MiB more while lines of several threads are put in order.
        buffer_bytes: usize,
        /// What becomes of a line when they are full.
        when_full: WhenFull,
    },
}

/// What becomes of a line for which there is no room. Every dropped line is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// The thread that logs waits for room. No line is lost, and a stuck output stops the service.
    Block,
    /// The line is dropped.
    DropNewest,
    /// Lines less severe than this level are dropped once three quarters are full; the last quarter is
    /// kept for the others, which are dropped when it is full, too.
    DropBelow(Level),
}

impl Default for Delivery {
    /// 4 MiB, [`WhenFull::DropBelow`] warnings: the service never waits for its log, and what is lost
    /// first is what matters least.
    fn default() -> Self {
        Self::NonBlocking {
            buffer_bytes: 4 * 1024 * 1024,
            when_full: WhenFull::DropBelow(Level::WARN),
        }
    }
}

impl WhenFull {
    /// Up to how many bytes of `capacity` a line of this level may fill a shard.
    #[inline]
    pub(super) fn limit(self, level: Level, capacity: usize) -> usize {
        match self {
            Self::DropBelow(kept) if level > kept => capacity / 4 * 3,
            _ => capacity,
        }
    }
}
