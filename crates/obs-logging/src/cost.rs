//! Which callsite logs how much: what it costs to keep a log.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_core::{Level, Metadata};

/// A busy callsite tells of so many lines at once: threads would else wait for one another's counters.
const TOLD_TOGETHER: u64 = 32;

/// Up to so many lines it tells of each at once.
const TOLD_AT_ONCE: u64 = 1024;

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
}

/// The accounts of all callsites of a layer.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<HashMap<usize, Arc<Account>>>);

struct Account {
    metadata: &'static Metadata<'static>,
    lines: AtomicU64,
    bytes: AtomicU64,
    dropped: AtomicU64,
    suppressed: AtomicU64,
}

/// A thread's part of a callsite's account.
pub(crate) struct Share {
    account: Arc<Account>,
    lines: Cell<u64>,
    bytes: Cell<u64>,
}

impl Ledger {
    pub(crate) fn share(&self, metadata: &'static Metadata<'static>) -> Share {
        let address = std::ptr::from_ref(metadata).addr();
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let account = accounts.entry(address).or_insert_with(|| Arc::new(Account::new(metadata)));
        Share { account: account.clone(), lines: Cell::new(0), bytes: Cell::new(0) }
    }

    /// The callsites that have logged anything, the most bytes first.
    pub(crate) fn costs(&self) -> Vec<CallsiteCost> {
        let accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut costs: Vec<_> = accounts.values().map(|account| account.cost()).collect();
        costs.retain(|cost| cost.lines + cost.dropped + cost.suppressed > 0);
        costs.sort_by_key(|cost| std::cmp::Reverse(cost.bytes));
        costs
    }
}

impl Account {
    fn new(metadata: &'static Metadata<'static>) -> Self {
        let zero = AtomicU64::default;
        Self { metadata, lines: zero(), bytes: zero(), dropped: zero(), suppressed: zero() }
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
        }
    }
}

impl Share {
    #[inline]
    pub(crate) fn add_line(&self, bytes: usize, was_taken: bool) {
        if !was_taken {
            self.account.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.lines.set(self.lines.get() + 1);
        self.bytes.set(self.bytes.get() + bytes as u64);
        let is_busy = self.account.lines.load(Ordering::Relaxed) >= TOLD_AT_ONCE;
        if !is_busy || self.lines.get() >= TOLD_TOGETHER {
            self.tell();
        }
    }

    pub(crate) fn add_suppressed(&self) {
        self.account.suppressed.fetch_add(1, Ordering::Relaxed);
    }

    fn tell(&self) {
        self.account.lines.fetch_add(self.lines.take(), Ordering::Relaxed);
        self.account.bytes.fetch_add(self.bytes.take(), Ordering::Relaxed);
    }
}

/// A thread that ends tells the rest.
impl Drop for Share {
    fn drop(&mut self) {
        self.tell();
    }
}
