//! Between the threads that fail and the one that tells: bounded, and with an account.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use obs_guard::fork_generation;

use crate::captured::Captured;
use crate::sink::{Loss, Outcome};

/// Errors that wait: each is 100 KiB at most.
const MOST: usize = 256;

#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    /// The process that the worker lives in.
    generation: u32,
    delivered: AtomicU64,
    lost: [AtomicU64; Loss::ALL.len()],
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Captured>,
    /// Whether one is being told.
    busy: bool,
    closed: bool,
    /// How many were taken up so far, and how many are done with.
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
    /// Still waiting, or under way: its fate is not known.
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

    /// Whether the error was taken; else it is counted as lost.
    pub(crate) fn push(&self, captured: Captured) -> bool {
        let why = if fork_generation() != self.generation {
            Loss::Forked
        } else {
            let mut state = self.lock();
            if state.closed {
                Loss::Closed
            } else if state.waiting.len() >= MOST {
                Loss::QueueFull
            } else {
                state.waiting.push_back(captured);
                state.accepted += 1;
                drop(state);
                self.changed.notify_all();
                return true;
            }
        };
        self.lose(why, 1);
        false
    }

    /// The next error, for the worker; none once the queue is closed.
    pub(crate) fn next(&self) -> Option<Captured> {
        let mut state = self.lock();
        loop {
            if let Some(captured) = state.waiting.pop_front() {
                state.busy = true;
                return Some(captured);
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What became of the one that was taken last.
    pub(crate) fn settle(&self, outcome: Outcome) {
        match outcome {
            Outcome::Delivered => {
                self.delivered.fetch_add(1, Relaxed);
            }
            Outcome::Lost(why) => self.lose(why, 1),
        }
        let mut state = self.lock();
        state.busy = false;
        state.done += 1;
        drop(state);
        self.changed.notify_all();
    }

    /// Waits until everything that was captured before is settled.
    pub(crate) fn flush(&self, at_most: Duration) -> Flushed {
        let state = self.lock();
        let until = state.accepted;
        if fork_generation() == self.generation {
            drop(self.wait(state, at_most, |state| state.done >= until));
        } else {
            drop(state);
        }
        self.account()
    }

    /// The same; later errors are lost, and what still waits at the deadline is.
    pub(crate) fn close(&self, at_most: Duration) -> Flushed {
        let mut state = self.lock();
        state.closed = true;
        self.changed.notify_all();
        if fork_generation() == self.generation {
            let settled = |state: &State| state.waiting.is_empty() && !state.busy;
            state = self.wait(state, at_most, settled);
        }
        let abandoned = state.waiting.len() as u64;
        state.waiting.clear();
        state.done += abandoned;
        drop(state);
        self.lose(Loss::Closed, abandoned);
        self.account()
    }

    fn wait<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        at_most: Duration,
        is_done: impl Fn(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        let end = Instant::now().checked_add(at_most);
        while !is_done(&state) {
            let left = end.map_or(at_most, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }

    fn account(&self) -> Flushed {
        let state = self.lock();
        Flushed {
            delivered: self.delivered.load(Relaxed),
            lost: Loss::ALL.iter().map(|why| self.lost(*why)).sum(),
            unknown: state.accepted - state.done,
        }
    }

    fn lose(&self, why: Loss, how_many: u64) {
        if let Some(lost) = self.lost.get(why as usize) {
            lost.fetch_add(how_many, Relaxed);
        }
    }

    pub(crate) fn lost(&self, why: Loss) -> u64 {
        self.lost.get(why as usize).map_or(0, |lost| lost.load(Relaxed))
    }

    pub(crate) fn delivered(&self) -> u64 {
        self.delivered.load(Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
