//! How much each callsite logs.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_core::{Level, Metadata};

use crate::budget::Site;

/// A busy callsite publishes this many lines together, so that threads do not contend for its counters.
const BATCH_SIZE: u64 = 32;

/// Up to this many lines it publishes each at once.
const UNBATCHED_LINES: u64 = 1024;

/// What one callsite has logged since the start.
///
/// A busy callsite (more than a thousand lines) may be 31 lines a thread behind. All records of the
/// `log` crate of one level are one callsite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallsiteCost {
    /// Its target.
    pub target: &'static str,
    /// Its level.
    pub level: Level,
    /// The source file, where it is known.
    pub file: Option<&'static str>,
    /// The line in the source file.
    pub line: Option<u32>,
    /// Lines that were handed to the output.
    pub lines: u64,
    /// Bytes of these lines.
    pub bytes: u64,
    /// Lines for which there was no room, or that the output did not take at once.
    pub dropped: u64,
    /// Lines that sampling, the rate limit or a processor held back.
    pub suppressed: u64,
    /// Lines that the budget has shed: see [`Builder::budget`](crate::Builder::budget).
    pub shed: u64,
}

/// The counters of all callsites of a layer.
#[derive(Default)]
pub(crate) struct CallsiteStats(Mutex<HashMap<usize, Arc<Stats>>>);

struct Stats {
    metadata: &'static Metadata<'static>,
    lines: AtomicU64,
    bytes: AtomicU64,
    dropped: AtomicU64,
    suppressed: AtomicU64,
    site: Arc<Site>,
}

/// A thread's part of a callsite's counters.
pub(crate) struct LocalStats {
    stats: Arc<Stats>,
    lines: Cell<u64>,
    bytes: Cell<u64>,
}

impl CallsiteStats {
    pub(crate) fn local(&self, metadata: &'static Metadata<'static>) -> LocalStats {
        let address = std::ptr::from_ref(metadata).addr();
        let mut stats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let stats = stats.entry(address).or_insert_with(|| Arc::new(Stats::new(metadata)));
        LocalStats { stats: stats.clone(), lines: Cell::new(0), bytes: Cell::new(0) }
    }

    /// The callsites that have logged anything, the most bytes first.
    pub(crate) fn costs(&self) -> Vec<CallsiteCost> {
        let stats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut costs: Vec<_> = stats.values().map(|stats| stats.cost()).collect();
        costs.retain(|cost| cost.lines + cost.dropped + cost.suppressed + cost.shed > 0);
        costs.sort_by_key(|cost| std::cmp::Reverse(cost.bytes));
        costs
    }
}

impl Stats {
    fn new(metadata: &'static Metadata<'static>) -> Self {
        let zero = AtomicU64::default;
        Self {
            metadata,
            lines: zero(),
            bytes: zero(),
            dropped: zero(),
            suppressed: zero(),
            site: Arc::default(),
        }
    }

    fn cost(&self) -> CallsiteCost {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CallsiteCost {
            target: self.metadata.target(),
            level: *self.metadata.level(),
            file: self.metadata.file(),
            line: self.metadata.line(),
            lines: read(&self.lines),
            bytes: read(&self.bytes),
            dropped: read(&self.dropped),
            suppressed: read(&self.suppressed),
            shed: self.site.shed(),
        }
    }
}

impl LocalStats {
    #[inline]
    pub(crate) fn add_line(&self, bytes: usize, was_taken: bool) {
        if !was_taken {
            self.stats.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.lines.set(self.lines.get() + 1);
        self.bytes.set(self.bytes.get() + bytes as u64);
        let is_busy = self.stats.lines.load(Ordering::Relaxed) >= UNBATCHED_LINES;
        if !is_busy || self.lines.get() >= BATCH_SIZE {
            self.publish();
        }
    }

    /// What it uses of the budget.
    pub(crate) fn site(&self) -> Arc<Site> {
        self.stats.site.clone()
    }

    pub(crate) fn add_suppressed(&self) {
        self.stats.suppressed.fetch_add(1, Ordering::Relaxed);
    }

    fn publish(&self) {
        self.stats.lines.fetch_add(self.lines.take(), Ordering::Relaxed);
        self.stats.bytes.fetch_add(self.bytes.take(), Ordering::Relaxed);
    }
}

/// A thread that ends publishes the rest.
impl Drop for LocalStats {
    fn drop(&mut self) {
        self.publish();
    }
}
