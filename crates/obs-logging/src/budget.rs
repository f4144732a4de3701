//! A ceiling on the bytes a second, and which lines give way first.
//!
//! One word holds the moment up to which the budget is spent (the generic cell rate algorithm). A line may be written
//! while no more of a second's worth is spent than its level allows: so the levels below find no room while those
//! above take it. A callsite that logs more than its share of the level finds less room than the others.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};

use tracing_core::Level;

use crate::encode::moment::Moment;

const SECOND: u64 = 1_000_000_000;

/// Budget that gathers while less is logged, in time: one second's.
const BURST: u64 = SECOND;

/// Steps of the burst that the levels divide among themselves.
const STEPS: u64 = 8;

/// Errors are always written. They may overdraw the budget by this much, which the others then wait for.
const MAX_ERROR_DEBT: u64 = BURST / STEPS;

/// What long lines overdraw is waited for up to this long.
const MAX_DEBT: u64 = 10 * SECOND;

/// How long shed lines gather before the first notice tells of them.
const NOTICE_DELAY: u64 = SECOND;
const NOTICE_INTERVAL: u64 = 30 * SECOND;

const NEVER: u64 = u64::MAX;

/// How much a log may write.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogBudget {
    /// Bytes a second.
    pub bytes_per_second: u64,
    /// How much of one second's worth is spent at this moment: 0 while nothing is logged, 1 where lines are shed.
    pub fill: f64,
    /// Lines that it has shed.
    pub shed: u64,
}

/// The budget of one layer.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes_per_second: u64,
    /// Nanoseconds since the epoch.
    spent_until: AtomicU64,
    /// By level, errors first.
    active: [ActiveSites; 5],
    /// Lines that no notice has told of, and when the next one is due.
    unsaid: AtomicU64,
    notice_at: AtomicU64,
    last_notice: AtomicU64,
}

/// What one callsite has used of the budgets.
#[derive(Debug, Default)]
pub(crate) struct Site {
    spent_until: AtomicU64,
    /// The last second in which it logged.
    second: AtomicU64,
    /// Lines shed since the last one that was not.
    suppressed: AtomicU64,
    shed: AtomicU64,
}

/// A callsite and the budget that it draws upon.
#[derive(Debug)]
pub(crate) struct SiteBudget {
    budget: Arc<Budget>,
    site: Arc<Site>,
}

/// How many callsites have logged in this second and in the one before.
#[derive(Debug, Default)]
struct ActiveSites {
    second: AtomicU64,
    current: AtomicUsize,
    previous: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(bytes_per_second: u64) -> Self {
        Self {
            bytes_per_second: bytes_per_second.max(1),
            spent_until: AtomicU64::new(0),
            active: Default::default(),
            unsaid: AtomicU64::new(0),
            notice_at: AtomicU64::new(NEVER),
            last_notice: AtomicU64::new(0),
        }
    }

    pub(crate) fn bytes_per_second(&self) -> u64 {
        self.bytes_per_second
    }

    /// The part of a second's worth that is spent.
    pub(crate) fn fill(&self, now: Moment) -> f64 {
        self.spent(now.since_epoch()) as f64 / BURST as f64
    }

    /// Nanoseconds' worth that are spent in advance.
    fn spent(&self, now: u64) -> u64 {
        let spent = self.spent_until.load(Relaxed).saturating_sub(now);
        if spent > MAX_DEBT + SECOND {
            // The clock was set back.
            self.spent_until.store(now + BURST, Relaxed);
            return BURST;
        }
        spent
    }

    fn cost(&self, bytes: usize) -> u64 {
        (bytes as u64).saturating_mul(SECOND) / self.bytes_per_second
    }

    fn charge(&self, level: Level, bytes: usize, now: u64) {
        let most = if level == Level::ERROR { BURST + MAX_ERROR_DEBT } else { MAX_DEBT };
        let cost = self.cost(bytes);
        let spend = |until: u64| {
            let next = until.max(now).saturating_add(cost).min(now + most);
            (next > until).then_some(next)
        };
        // Where errors have overdrawn it already, nothing changes.
        let _ = self.spent_until.fetch_update(Relaxed, Relaxed, spend);
    }

    fn count_shed(&self, now: u64) {
        self.unsaid.fetch_add(1, Relaxed);
        if self.notice_at.load(Relaxed) == NEVER {
            let next = self.last_notice.load(Relaxed) + NOTICE_INTERVAL;
            self.notice_at.store(next.clamp(now + NOTICE_DELAY, now + NOTICE_INTERVAL), Relaxed);
        }
    }
}

impl SiteBudget {
    pub(crate) fn new(budget: Arc<Budget>, site: Arc<Site>) -> Self {
        Self { budget, site }
    }

    pub(crate) fn bytes_per_second(&self) -> u64 {
        self.budget.bytes_per_second
    }

    /// Whether this line of the callsite is to be written, and if so, how many were not since the last one;
    /// `suppressed` are those of which something else knows.
    pub(crate) fn admit(&self, level: Level, now: Moment, suppressed: u64) -> Option<u64> {
        let now = now.since_epoch();
        let Self { budget, site } = self;
        let second = now / SECOND;
        if site.second.swap(second, Relaxed) != second {
            budget.active[index(level)].add(second);
        }
        let is_past_share = site.spent_until.load(Relaxed) > now + BURST;
        let room = room(level).map(|steps| (steps - u64::from(is_past_share)) * BURST / STEPS);
        if room.is_none_or(|room| budget.spent(now) <= room) {
            let shed = match site.suppressed.load(Relaxed) {
                0 => 0,
                _ => site.suppressed.swap(0, Relaxed),
            };
            return Some(suppressed + shed);
        }
        site.suppressed.fetch_add(suppressed + 1, Relaxed);
        site.shed.fetch_add(1, Relaxed);
        budget.count_shed(now);
        None
    }

    /// Draws a line that is written from the budget, and from the callsite's share of it.
    pub(crate) fn charge(&self, level: Level, bytes: usize, now: Moment) {
        let now = now.since_epoch();
        let Self { budget, site } = self;
        budget.charge(level, bytes, now);
        let sites = budget.active[index(level)].count(now / SECOND);
        let cost = budget.cost(bytes).saturating_mul(sites as u64);
        let until = site.spent_until.load(Relaxed).clamp(now, now + 2 * BURST);
        site.spent_until.store(until.saturating_add(cost).min(now + 2 * BURST), Relaxed);
    }

    /// Now and then, while lines are shed: how many since the last time.
    pub(crate) fn notice(&self, now: Moment) -> Option<u64> {
        let now = now.since_epoch();
        let due = self.budget.notice_at.load(Relaxed);
        // A clock that was set back must not delay it for good.
        let is_due = now >= due || (due != NEVER && due > now + 2 * NOTICE_INTERVAL);
        if !is_due || self.budget.notice_at.swap(NEVER, Relaxed) == NEVER {
            return None;
        }
        self.budget.last_notice.store(now, Relaxed);
        Some(self.budget.unsaid.swap(0, Relaxed))
    }
}

impl Site {
    /// Lines that the budget has shed.
    pub(crate) fn shed(&self) -> u64 {
        self.shed.load(Relaxed)
    }
}

impl ActiveSites {
    /// Counts one, at its first line of the second.
    fn add(&self, second: u64) {
        let last = self.second.swap(second, Relaxed);
        if last == second {
            self.current.fetch_add(1, Relaxed);
            return;
        }
        let counted = self.current.swap(1, Relaxed);
        let is_next = last + 1 == second;
        self.previous.store(if is_next { counted } else { 0 }, Relaxed);
    }

    fn count(&self, second: u64) -> usize {
        if self.second.load(Relaxed) + 1 < second {
            return 1;
        }
        self.current.load(Relaxed).max(self.previous.load(Relaxed)).max(1)
    }
}

/// Up to how many steps of a second's worth may be spent before lines of this level find no room; all for errors.
fn room(level: Level) -> Option<u64> {
    match level {
        Level::ERROR => None,
        Level::WARN => Some(8),
        Level::INFO => Some(6),
        Level::DEBUG => Some(4),
        Level::TRACE => Some(2),
    }
}

fn index(level: Level) -> usize {
    match level {
        Level::ERROR => 0,
        Level::WARN => 1,
        Level::INFO => 2,
        Level::DEBUG => 3,
        Level::TRACE => 4,
    }
}

#[cfg(test)]
mod tests;
