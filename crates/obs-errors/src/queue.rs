//! The bounded queue between the threads that fail and the one that reports. Each error is counted as delivered or lost.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use obs_guard::fork_generation;

use crate::captured::CapturedError;
use crate::sink::{Loss, Outcome};

/// Errors that wait; each takes 100 KiB at most.
const CAPACITY: usize = 256;

#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    /// The fork generation of the worker's process.
    generation: u32,
    delivered: AtomicU64,
    lost: [AtomicU64; Loss::ALL.len()],
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<CapturedError>,
    /// Whether the worker has one in hand.
    busy: bool,
    closed: bool,
    /// How many were accepted so far, and how many of them are settled.
    accepted: u64,
    done: u64,
}

/// What became of everything that was captured until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flushed {
    /// The sink has it.
    pub delivered: u64,
    /// It is lost, and counted.
    pub lost: u64,
    /// Still waiting, or in flight.
    pub unknown: u64,
}

impl Flushed {
    /// Whether everything was settled in time.
    pub fn complete(&self) -> bool {
        self.unknown == 0
    }
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            generation: fork_generation(),
            delivered: AtomicU64::new(0),
            lost: [const { AtomicU64::new(0) }; Loss::ALL.len()],
        }
    }

    /// Whether the error was accepted; otherwise it is counted as lost.
    pub(crate) fn push(&self, error: CapturedError) -> bool {
        let loss = if fork_generation() != self.generation {
            Loss::Forked
        } else {
            let mut state = self.lock();
            if state.closed {
                Loss::Closed
            } else if state.waiting.len() >= CAPACITY {
                Loss::QueueFull
            } else {
                state.waiting.push_back(error);
                state.accepted += 1;
                drop(state);
                self.changed.notify_all();
                return true;
            }
        };
        self.count_lost(loss, 1);
        false
    }

    /// The next error, for the worker; none once the queue is closed.
    pub(crate) fn next(&self) -> Option<CapturedError> {
        let mut state = self.lock();
        loop {
            if let Some(error) = state.waiting.pop_front() {
                state.busy = true;
                return Some(error);
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Counts the outcome of the error that [`Queue::next`] returned last.
    pub(crate) fn settle(&self, outcome: Outcome) {
        match outcome {
            Outcome::Delivered => {
                self.delivered.fetch_add(1, Relaxed);
            }
            Outcome::Lost(loss) => self.count_lost(loss, 1),
        }
        let mut state = self.lock();
        state.busy = false;
        state.done += 1;
        drop(state);
        self.changed.notify_all();
    }

    /// Waits until everything that was captured before is settled.
    pub(crate) fn flush(&self, timeout: Duration) -> Flushed {
        let state = self.lock();
        let until = state.accepted;
        if fork_generation() == self.generation {
            drop(self.wait(state, timeout, |state| state.done >= until));
        } else {
            drop(state);
        }
        self.totals()
    }

    /// [`Queue::flush`]; errors that wait at the deadline, and later ones, are counted as lost.
    pub(crate) fn close(&self, timeout: Duration) -> Flushed {
        let mut state = self.lock();
        state.closed = true;
        self.changed.notify_all();
        if fork_generation() == self.generation {
            let settled = |state: &State| state.waiting.is_empty() && !state.busy;
            state = self.wait(state, timeout, settled);
        }
        let abandoned = state.waiting.len() as u64;
        state.waiting.clear();
        state.done += abandoned;
        drop(state);
        self.count_lost(Loss::Closed, abandoned);
        self.totals()
    }

    fn wait<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        timeout: Duration,
        is_done: impl Fn(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        let end = Instant::now().checked_add(timeout);
        while !is_done(&state) {
            let left = end.map_or(timeout, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }

    fn totals(&self) -> Flushed {
        let state = self.lock();
        Flushed {
            delivered: self.delivered.load(Relaxed),
            lost: Loss::ALL.iter().map(|loss| self.lost(*loss)).sum(),
            unknown: state.accepted - state.done,
        }
    }

    fn count_lost(&self, loss: Loss, count: u64) {
        if let Some(lost) = self.lost.get(loss as usize) {
            lost.fetch_add(count, Relaxed);
        }
    }

    pub(crate) fn lost(&self, loss: Loss) -> u64 {
        self.lost.get(loss as usize).map_or(0, |lost| lost.load(Relaxed))
    }

    pub(crate) fn delivered(&self) -> u64 {
        self.delivered.load(Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
