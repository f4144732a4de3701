//! How many lines of one callsite are wanted.

use std::sync::atomic::{AtomicU64, Ordering};

use tracing_core::Level;

use crate::encode::moment::Moment;

/// Which lines are held back.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pacing {
    /// Of lines less severe than the level, one in this many is kept.
    pub(crate) sampling: Option<(Level, u64)>,
    /// So many lines a second at most.
    pub(crate) limit: Option<u32>,
}

/// What one callsite has logged.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    seen: AtomicU64,
    /// The second, and how many lines it has had.
    window: AtomicU64,
    /// Lines held back since the last one that was not.
    suppressed: AtomicU64,
}

impl Pacing {
    pub(crate) fn concerns(&self, level: Level) -> bool {
        self.limit.is_some() || self.sampling.is_some_and(|(kept, _)| level > kept)
    }

    /// Whether this line of the callsite is wanted, and if so, how many were not since the last.
    pub(crate) fn admit(&self, pace: &Pace, level: Level, now: Moment) -> Option<u64> {
        let is_sampled = match self.sampling {
            Some((kept, one_in)) if level > kept => {
                pace.seen.fetch_add(1, Ordering::Relaxed).is_multiple_of(one_in)
            }
            _ => true,
        };
        if is_sampled && self.limit.is_none_or(|limit| pace.has_room(limit, now)) {
            return Some(pace.suppressed.swap(0, Ordering::Relaxed));
        }
        pace.suppressed.fetch_add(1, Ordering::Relaxed);
        None
    }
}

impl Pace {
    fn has_room(&self, limit: u32, now: Moment) -> bool {
        let second = (now.second() as u64) << 32;
        self.window
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |window| {
                let (current, used) = (window & !u64::from(u32::MAX), window as u32);
                match current == second {
                    true if used >= limit => None,
                    true => Some(window + 1),
                    false if limit == 0 => None,
                    false => Some(second | 1),
                }
            })
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn rate_limit_holds_per_second_and_counts_suppressed() {
        let pacing = Pacing { sampling: None, limit: Some(2) };
        let pace = Pace::default();
        let at = |second| (UNIX_EPOCH + Duration::from_secs(second)).into();
        let admitted = |second| pacing.admit(&pace, Level::ERROR, at(second));
        assert_eq!(
            [admitted(1), admitted(1), admitted(1), admitted(1)],
            [Some(0), Some(0), None, None]
        );
        assert_eq!([admitted(2), admitted(2), admitted(2)], [Some(2), Some(0), None]);
        assert_eq!(admitted(9), Some(1));
    }

    #[test]
    fn sampling_keeps_warnings() {
        let pacing = Pacing { sampling: Some((Level::WARN, 10)), limit: None };
        let (info, warn) = (Pace::default(), Pace::default());
        let kept = |pace, level| {
            (0..100).filter(|_| pacing.admit(pace, level, UNIX_EPOCH.into()).is_some()).count()
        };
        assert_eq!(kept(&info, Level::INFO), 10);
        assert_eq!(kept(&warn, Level::WARN), 100);
        assert!(pacing.concerns(Level::INFO) && !pacing.concerns(Level::WARN));
    }
}
