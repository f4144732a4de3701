//! What the threads that log and the worker share.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use obs_guard::fork_generation;
use tracing_core::Level;

use super::policy::WhenFull;
use super::shards::Shard;
use super::tally::{Tally, level_index};
use super::target::Target;
use super::waker::Waker;

/// How often a blocked thread checks whether the queue still runs.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_millis(50);

thread_local! {
    /// Whether this thread is inside the writer: its own lines must not wait for it.
    static WRITING: Cell<bool> = const { Cell::new(false) };
}

/// What the threads that log and the one that writes share.
pub(super) struct QueueState {
    pub(super) shards: Box<[Shard]>,
    pub(super) capacity: usize,
    pub(super) when_full: WhenFull,
    pub(super) phase: AtomicU8,
    /// Whether a deadline has passed: the writer is not waited for again.
    pub(super) is_abandoned: AtomicBool,
    /// Whose child this process was when the queue was made: see `fork_generation`.
    pub(super) forks: u32,
    pub(super) target: Mutex<Target>,
    pub(super) tally: Arc<Tally>,
    /// Wakes the worker.
    pub(super) waker: Waker,
    /// How many flushes were requested, and completed.
    pub(super) flushes: Mutex<Flushes>,
    pub(super) flush_completed: Condvar,
}

#[derive(Default)]
pub(super) struct Flushes {
    requested: u64,
    completed: u64,
    has_ended: bool,
}

/// The worker takes lines.
pub(super) const RUNNING: u8 = 0;
/// The worker takes what is left and goes.
pub(super) const ENDING: u8 = 1;
/// There is no worker: the thread that logs writes.
pub(super) const ENDED: u8 = 2;

impl QueueState {
    /// What each shard may hold without looking at the others.
    #[inline]
    pub(super) fn share(&self, limit: usize) -> usize {
        limit / self.shards.len()
    }

    /// Whether a shard may hold `filled` bytes: within its share always, beyond it while the others
    /// leave theirs.
    #[inline]
    pub(super) fn has_room(&self, shard: &Shard, filled: usize, limit: usize) -> bool {
        filled <= self.share(limit) || {
            let all = self.shards.iter().map(|shard| shard.filled.load(Ordering::Relaxed));
            all.sum::<usize>() + filled <= limit + shard.filled.load(Ordering::Relaxed)
        }
    }

    /// Whether the worker is to take what is left and go.
    pub(super) fn is_ending(&self) -> bool {
        self.phase.load(Ordering::Acquire) != RUNNING
    }

    /// From here on the thread that logs writes. Shards may still hold lines, but get no more.
    pub(super) fn end(&self) {
        self.phase.store(ENDED, Ordering::SeqCst);
    }

    /// Lines that found no room.
    pub(super) fn dropped_lines(&self) -> u64 {
        self.shards.iter().map(|shard| shard.lock().dropped).sum()
    }

    /// How many flushes have been asked for: what is pushed before the question is seen after it.
    pub(super) fn flushes_requested(&self) -> u64 {
        self.flushes().requested
    }

    pub(super) fn complete_flushes(&self, requested: u64, has_ended: bool) {
        let mut flushes = self.flushes();
        flushes.completed = flushes.completed.max(requested);
        flushes.has_ended |= has_ended;
        drop(flushes);
        self.flush_completed.notify_all();
    }

    /// Whether everything that was pushed before has been dealt with in time.
    pub(super) fn wait_for_flush(&self, deadline: Duration) -> bool {
        if self.is_forked() {
            return true;
        }
        if is_writing() {
            return false; // a writer that flushes the log would wait for itself
        }
        let end = Instant::now().checked_add(deadline);
        let mut flushes = self.flushes();
        flushes.requested += 1;
        let mine = flushes.requested;
        self.waker.wake(true);
        while flushes.completed < mine && !flushes.has_ended {
            let left =
                end.map_or(CHECK_INTERVAL, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return false;
            }
            flushes = match self.flush_completed.wait_timeout(flushes, left) {
                Ok((flushes, _)) => flushes,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        true
    }

    /// Whether this is a forked child: it has no worker, and other threads of the parent may have held
    /// any lock at the moment of the fork.
    #[inline]
    pub(super) fn is_forked(&self) -> bool {
        self.forks != fork_generation()
    }

    /// In a forked child the shards are the parent's affair.
    pub(super) fn living_shards(&self) -> &[Shard] {
        if self.is_forked() { &[] } else { &self.shards }
    }

    /// A line of a forked child: written at once, or lost where the parent was just writing.
    #[cold]
    pub(super) fn write_after_fork(&self, level: Level, line: &[u8]) -> bool {
        let Ok(mut target) = self.target.try_lock() else {
            self.tally.count_dropped(level);
            return false;
        };
        self.write_alone(&mut target, level, line)
    }

    /// The writer is stuck: whatever waits for it is lost, and counted.
    pub(super) fn abandon(&self) {
        self.is_abandoned.store(true, Ordering::Relaxed);
        self.end();
        for shard in &self.shards {
            let mut lines = shard.lock();
            let lost = lines.ends.len() as u64;
            lines.bytes.clear();
            lines.ends.clear();
            shard.filled.store(0, Ordering::Relaxed);
            lines.dropped += lost;
            shard.has_room.notify_all();
        }
    }

    /// A line after the end: written at once, unless the writer is stuck or is who logs.
    #[cold]
    pub(super) fn write_late(&self, level: Level, line: &[u8]) -> bool {
        let has_ended = self.flushes().has_ended;
        let target = match has_ended && !is_writing() {
            true => Some(self.target.lock().unwrap_or_else(PoisonError::into_inner)),
            false => None,
        };
        match target {
            Some(mut target) => while_writing(|| self.write_alone(&mut target, level, line)),
            None => {
                self.tally.count_dropped(level);
                false
            }
        }
    }

    pub(super) fn write_alone(&self, target: &mut Target, level: Level, line: &[u8]) -> bool {
        self.tally.emitted[level_index(level)].add(1);
        if !target.takes_late_lines() {
            self.tally.lost.add(1);
            return false;
        }
        let was_taken = target.write(line, &[line.len() as u32], &self.tally);
        target.flush(&self.tally);
        was_taken
    }

    pub(super) fn flushes(&self) -> MutexGuard<'_, Flushes> {
        self.flushes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks the thread as being inside the writer.
pub(super) fn while_writing<R>(work: impl FnOnce() -> R) -> R {
    let before = WRITING.try_with(|writing| writing.replace(true)).unwrap_or(true);
    let done = work();
    let _ = WRITING.try_with(|writing| writing.set(before));
    done
}

pub(super) fn is_writing() -> bool {
    WRITING.try_with(Cell::get).unwrap_or(true)
}
