//! Which series are idle: computed at each scrape, so that using a series costs nothing.

use std::collections::HashMap;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct IdleTracker {
    after: Duration,
    /// By the series' address: its last fingerprint, and when that changed.
    seen: HashMap<usize, (u64, Instant)>,
}

impl IdleTracker {
    pub(super) fn new(after: Duration) -> Self {
        Self { after, seen: HashMap::new() }
    }

    /// Whether the series was not used for long enough.
    pub(super) fn is_expired(
        &mut self,
        series: usize,
        used: u64,
        held: bool,
        now: Instant,
    ) -> bool {
        let (last, since) = self.seen.entry(series).or_insert((used, now));
        if *last != used || held {
            (*last, *since) = (used, now);
        }
        *since < now && now.duration_since(*since) >= self.after
    }

    /// Must be called for every series that is removed: a new one may have its address.
    pub(super) fn remove(&mut self, series: usize) {
        self.seen.remove(&series);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_expires_when_unused_for_idle_time() {
        let mut idle = IdleTracker::new(Duration::from_secs(60));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(!idle.is_expired(1, 5, false, start));
        assert!(!idle.is_expired(1, 5, false, at(59)));
        assert!(!idle.is_expired(1, 6, false, at(61)), "it was used");
        assert!(!idle.is_expired(1, 6, true, at(200)), "somebody holds it");
        assert!(!idle.is_expired(1, 6, false, at(259)));
        assert!(idle.is_expired(1, 6, false, at(260)));
        idle.remove(1);
        assert!(!idle.is_expired(1, 6, false, at(300)), "a new series at the old address");
    }
}
