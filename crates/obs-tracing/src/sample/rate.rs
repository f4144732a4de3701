//! A limit of traces a second.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A token bucket in one word: the moment up to which the budget is spent (the generic cell rate
/// algorithm).
pub(super) struct Rate {
    per_second: f64,
    /// Nanoseconds that one admission costs.
    cost: u64,
    spent_until: AtomicU64,
}

/// Budget that may gather: one second's.
const BURST_NANOS: u64 = 1_000_000_000;

impl Rate {
    pub(super) fn new(per_second: f64) -> Self {
        let cost = if per_second > 0.0 { (1e9 / per_second) as u64 } else { u64::MAX };
        Self { per_second, cost: cost.max(1), spent_until: AtomicU64::new(0) }
    }

    pub(super) fn per_second(&self) -> f64 {
        self.per_second
    }

    pub(super) fn try_admit(&self) -> bool {
        self.admit_at(now())
    }

    fn admit_at(&self, now: u64) -> bool {
        let spend = |spent_until: u64| {
            let next = spent_until.max(now).checked_add(self.cost)?;
            (next - now <= BURST_NANOS.max(self.cost)).then_some(next)
        };
        self.spent_until.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend).is_ok()
    }
}

/// Nanoseconds since the first call.
pub(crate) fn now() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn rate_limits_after_burst() {
        let rate = Rate::new(10.0);
        assert_eq!((0..50).filter(|_| rate.admit_at(SECOND)).count(), 10);
        assert_eq!((0..50).filter(|_| rate.admit_at(SECOND + SECOND / 2)).count(), 5);
        assert_eq!((0..50).filter(|_| rate.admit_at(100 * SECOND)).count(), 10);
    }

    #[test]
    fn rate_below_one_admits_rarely_and_zero_never() {
        let rare = Rate::new(0.5);
        assert!(rare.admit_at(SECOND));
        assert!(!rare.admit_at(2 * SECOND));
        assert!(rare.admit_at(3 * SECOND));
        assert!(!Rate::new(0.0).admit_at(SECOND));
        assert!(!Rate::new(f64::NAN).admit_at(SECOND));
    }
}
