//! Which series nobody uses any more: asked at each scrape, so that using one costs nothing.

use std::collections::HashMap;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Idle {
    after: Duration,
    /// By the series' address: what it was when it was seen to change, and when that was.
    seen: HashMap<usize, (u64, Instant)>,
}

impl Idle {
    pub(super) fn new(after: Duration) -> Self {
        Self { after, seen: HashMap::new() }
    }

    /// Whether the series was the same for long enough.
    pub(super) fn is_over(&mut self, series: usize, used: u64, held: bool, now: Instant) -> bool {
        let (last, since) = self.seen.entry(series).or_insert((used, now));
        if *last != used || held {
            (*last, *since) = (used, now);
        }
        *since < now && now.duration_since(*since) >= self.after
    }

    /// To be called of every series that is removed: another may come to stand at its address.
    pub(super) fn forget(&mut self, series: usize) {
        self.seen.remove(&series);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_over_when_it_stayed_the_same_for_long_enough() {
        let mut idle = Idle::new(Duration::from_secs(60));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(!idle.is_over(1, 5, false, start));
        assert!(!idle.is_over(1, 5, false, at(59)));
        assert!(!idle.is_over(1, 6, false, at(61)), "it was used");
        assert!(!idle.is_over(1, 6, true, at(200)), "somebody holds it");
        assert!(!idle.is_over(1, 6, false, at(259)));
        assert!(idle.is_over(1, 6, false, at(260)));
        idle.forget(1);
        assert!(!idle.is_over(1, 6, false, at(300)), "a new series at the old address");
    }
}
