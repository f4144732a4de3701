//! Waiting for the few instructions of another thread.

use std::hint::spin_loop;
use std::time::Duration;

/// Rounds that are worth a core: the other thread is at work on another one.
const SPINS: u32 = 64;

/// Rounds after which the other thread is not only interrupted, but kept from running; by this very
/// thread, where that has real-time priority and does no more than yield.
const YIELDS: u32 = SPINS + 16;

const NAP: Duration = Duration::from_micros(50);

/// One wait.
#[derive(Debug, Default)]
pub(super) struct Wait(u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Spin,
    Yield,
    Sleep,
}

impl Wait {
    /// Waits a little longer than the last time.
    pub(super) fn step(&mut self) {
        match self.next() {
            Step::Spin => spin_loop(),
            Step::Yield => std::thread::yield_now(),
            Step::Sleep => std::thread::sleep(NAP),
        }
    }

    fn next(&mut self) -> Step {
        self.0 = self.0.saturating_add(1);
        match self.0 {
            rounds if rounds <= SPINS => Step::Spin,
            rounds if rounds <= YIELDS => Step::Yield,
            _ => Step::Sleep,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_long_gives_the_core_away() {
        let mut wait = Wait::default();
        let steps: Vec<Step> = (0..1000).map(|_| wait.next()).collect();
        let first = |wanted| steps.iter().position(|step| *step == wanted);
        assert_eq!(first(Step::Spin), Some(0));
        assert_eq!(first(Step::Yield), Some(SPINS as usize));
        assert_eq!(first(Step::Sleep), Some(YIELDS as usize));
        assert!(steps[YIELDS as usize..].iter().all(|step| *step == Step::Sleep));
    }
}
