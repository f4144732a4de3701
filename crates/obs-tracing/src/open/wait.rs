//! Backs off while another thread finishes a few instructions.

use std::hint::spin_loop;
use std::time::Duration;

/// Rounds of spinning, since the other thread runs on another core.
const MAX_SPINS: u32 = 64;

/// Rounds after which the other thread is not only interrupted, but kept from running; by this very
/// thread, where that has real-time priority and does no more than yield.
const MAX_YIELDS: u32 = MAX_SPINS + 16;

const POLL_INTERVAL: Duration = Duration::from_micros(50);

/// One wait.
#[derive(Debug, Default)]
pub(super) struct Backoff(u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Spin,
    Yield,
    Park,
}

impl Backoff {
    /// Waits a little longer than the last time.
    pub(super) fn step(&mut self) {
        match self.next() {
            Step::Spin => spin_loop(),
            Step::Yield => std::thread::yield_now(),
            Step::Park => std::thread::sleep(POLL_INTERVAL),
        }
    }

    fn next(&mut self) -> Step {
        self.0 = self.0.saturating_add(1);
        match self.0 {
            rounds if rounds <= MAX_SPINS => Step::Spin,
            rounds if rounds <= MAX_YIELDS => Step::Yield,
            _ => Step::Park,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_waits_yield_core() {
        let mut wait = Backoff::default();
        let steps: Vec<Step> = (0..1000).map(|_| wait.next()).collect();
        let first = |wanted| steps.iter().position(|step| *step == wanted);
        assert_eq!(first(Step::Spin), Some(0));
        assert_eq!(first(Step::Yield), Some(MAX_SPINS as usize));
        assert_eq!(first(Step::Park), Some(MAX_YIELDS as usize));
        assert!(steps[MAX_YIELDS as usize..].iter().all(|step| *step == Step::Park));
    }
}
