//! Ended spans on their way to the export thread: bounded, and counted in and out.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use crate::record::Chunk;

/// Chunks of spans; every span that was accepted is settled exactly once.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    settled: Condvar,
    wake: Notify,
    capacity: usize,
    /// Bytes that the spans which wait may hold.
    capacity_bytes: u64,
    /// The number of waiting spans that wakes the export thread early.
    wake_threshold: usize,
}

#[derive(Debug, Default)]
struct State {
    chunks: VecDeque<Chunk>,
    waiting: usize,
    waiting_bytes: u64,
    /// All spans that came in, and those that have an outcome.
    accepted: u64,
    settled: u64,
    closed: bool,
    finished: bool,
}

impl Queue {
    pub(crate) fn new(capacity: usize, capacity_bytes: u64, wake_threshold: usize) -> Self {
        Self {
            state: Mutex::default(),
            settled: Condvar::new(),
            wake: Notify::new(),
            capacity,
            capacity_bytes,
            wake_threshold,
        }
    }

    /// Takes the chunk in, or gives it back: the queue is full, or closed.
    pub(crate) fn push(&self, chunk: Chunk) -> Result<(), Chunk> {
        let bytes = chunk_bytes(&chunk);
        let mut state = self.lock();
        let waiting = state.waiting + chunk.len();
        let waiting_bytes = state.waiting_bytes + bytes;
        if state.closed || waiting > self.capacity || waiting_bytes > self.capacity_bytes {
            return Err(chunk);
        }
        let wake = state.waiting < self.wake_threshold && waiting >= self.wake_threshold;
        state.waiting = waiting;
        state.waiting_bytes = waiting_bytes;
        state.accepted += chunk.len() as u64;
        state.chunks.push_back(chunk);
        drop(state);
        if wake {
            self.wake.notify_one();
        }
        Ok(())
    }

    pub(crate) fn pop(&self) -> Option<Chunk> {
        let mut state = self.lock();
        let chunk = state.chunks.pop_front()?;
        state.waiting -= chunk.len();
        state.waiting_bytes -= chunk_bytes(&chunk);
        Some(chunk)
    }

    /// This many accepted spans have an outcome.
    pub(crate) fn settle(&self, spans: usize) {
        self.lock().settled += spans as u64;
        self.settled.notify_all();
    }

    /// Waits until everything accepted so far is settled; `false` when the deadline came first.
    pub(crate) fn wait_settled(&self, deadline: Instant) -> bool {
        let target = self.lock().accepted;
        self.wake.notify_one();
        self.wait(deadline, |state| state.settled >= target)
    }

    /// Accepts nothing any more. `false` when it was closed already.
    pub(crate) fn close(&self) -> bool {
        let was_open = !std::mem::replace(&mut self.lock().closed, true);
        self.wake.notify_one();
        was_open
    }

    /// The export thread is through with everything.
    pub(crate) fn finish(&self) {
        self.lock().finished = true;
        self.settled.notify_all();
    }

    pub(crate) fn wait_finished(&self, deadline: Instant) -> bool {
        self.wait(deadline, |state| state.finished)
    }

    /// Completes when there is a reason to look into the queue.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    fn wait(&self, deadline: Instant, done: impl Fn(&State) -> bool) -> bool {
        let mut state = self.lock();
        while !done(&state) {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return false };
            let waited = self.settled.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn chunk_bytes(chunk: &Chunk) -> u64 {
    chunk.iter().map(|record| u64::from(record.estimated_bytes)).sum()
}
