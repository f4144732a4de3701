//! Lines wait in a few shards for a thread that writes them.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use obs_guard::{fork_generation, watch_forks};
use tracing_core::Level;

use super::policy::WhenFull;
use super::report::FlushReport;
use super::shards::{MAX_SHARDS, Shard};
use super::state::{CHECK_INTERVAL, ENDED, ENDING, QueueState, RUNNING, is_writing};
use super::tally::{Counts, Tally, level_index};
use super::target::Target;
use super::waker::Waker;
use super::writing::WRITER;
use super::{process, worker};
use crate::error::Error;

/// With fewer, a thread that is preempted while it holds one stops too many others.
const MIN_SHARDS: usize = 4;

/// How often a shutdown checks whether the worker has ended.
const JOIN_POLL_INTERVAL: Duration = Duration::from_millis(1);

thread_local! {
    static SHARD: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed)
    };
}

/// Tells the output by when it has to be done.
pub(crate) type AtDeadline = Box<dyn Fn(Instant) + Send + Sync>;

/// What an output must be done before, so that its last word is heard.
const MAX_MARGIN: Duration = Duration::from_millis(200);

pub(crate) struct Queue {
    shared: Arc<QueueState>,
    at_deadline: Option<AtDeadline>,
    worker: Mutex<Option<JoinHandle<()>>>,
}

impl Queue {
    pub(crate) fn start(
        target: Target,
        at_deadline: Option<AtDeadline>,
        tally: Arc<Tally>,
        buffer_bytes: usize,
        when_full: WhenFull,
    ) -> Result<Self, Error> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let shards = cores.clamp(MIN_SHARDS, MAX_SHARDS);
        let shared = Arc::new(QueueState {
            shards: (0..shards).map(|_| Shard::default()).collect(),
            capacity: buffer_bytes,
            when_full,
            phase: AtomicU8::new(RUNNING),
            is_abandoned: AtomicBool::new(false),
            forks: fork_generation(),
            target: Mutex::new(target),
            tally,
            waker: Waker::default(),
            flushes: Mutex::default(),
            flush_completed: Condvar::new(),
        });
        let worker = worker::start(shared.clone()).map_err(|error| {
            Error::new("no thread to write log lines", "free threads, or use Delivery::Blocking")
                .caused_by(error)
        })?;
        shared.waker.set_worker(worker.thread().clone());
        watch_forks();
        process::register(&shared);
        Ok(Self { shared, at_deadline, worker: Mutex::new(Some(worker)) })
    }

    #[inline]
    pub(super) fn push(&self, level: Level, line: &[u8]) -> bool {
        let shared = &*self.shared;
        if shared.is_forked() {
            return shared.write_after_fork(level, line);
        }
        let number = SHARD.try_with(|shard| *shard).unwrap_or(0);
        let shard = &shared.shards[number % shared.shards.len()];
        let limit = shared.when_full.limit(level, shared.capacity);
        let mut lines = shard.lock();
        loop {
            let filled = lines.bytes.len() + line.len();
            if shared.phase.load(Ordering::Relaxed) == ENDED {
                drop(lines);
                return shared.write_late(level, line);
            }
            if shared.has_room(shard, filled, limit) || lines.bytes.is_empty() {
                lines.emitted[level_index(level)] += 1;
                lines.bytes.extend_from_slice(line);
                lines.ends.push(filled as u32);
                shard.filled.store(filled, Ordering::Relaxed);
                drop(lines);
                let is_urgent = level == Level::ERROR || filled > shared.share(limit) / 2;
                shared.waker.wake(is_urgent);
                return true;
            }
            let may_wait = shared.when_full == WhenFull::Block && !is_writing();
            if !may_wait {
                lines.emitted[level_index(level)] += 1;
                lines.dropped += 1;
                return false;
            }
            shared.waker.wake(true);
            lines.waiting += 1;
            lines = match shard.has_room.wait_timeout(lines, CHECK_INTERVAL) {
                Ok((lines, _)) => lines,
                Err(poisoned) => poisoned.into_inner().0,
            };
            lines.waiting -= 1;
        }
    }

    pub(super) fn flush(&self, deadline: Duration) -> FlushReport {
        let complete = self.shared.wait_for_flush(deadline);
        let counts = self.counts();
        FlushReport {
            written: counts.written,
            dropped: counts.dropped,
            unknown: counts.unknown,
            complete,
        }
    }

    /// Lines that are still waiting at the deadline are counted as dropped.
    pub(super) fn shutdown(&self, deadline: Duration) -> FlushReport {
        let shared = &*self.shared;
        let _ = shared.phase.compare_exchange(RUNNING, ENDING, Ordering::SeqCst, Ordering::Relaxed);
        let end = Instant::now().checked_add(deadline);
        if let (Some(at_deadline), false) = (&self.at_deadline, shared.is_forked()) {
            let margin = (deadline / 10).min(MAX_MARGIN);
            at_deadline(end.unwrap_or_else(far_future) - margin);
        }
        let was_abandoned = shared.is_abandoned.load(Ordering::Relaxed);
        let complete = shared.wait_for_flush(if was_abandoned { Duration::ZERO } else { deadline });
        if shared.is_forked() {
            // The thread is the parent's.
        } else if complete {
            let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(worker) = worker {
                join_until(worker, end);
            }
        } else {
            shared.abandon();
        }
        let counts = self.counts();
        FlushReport {
            written: counts.written,
            dropped: counts.dropped,
            unknown: counts.unknown,
            complete,
        }
    }

    pub(super) fn counts(&self) -> Counts {
        let mut counts = self.shared.tally.counts();
        for shard in self.shared.living_shards() {
            let lines = shard.lock();
            counts.emitted += lines.emitted.iter().sum::<u64>();
            counts.dropped += lines.dropped;
        }
        counts
    }

    pub(super) fn emitted(&self) -> [u64; 5] {
        let mut all = self.shared.tally.emitted();
        for shard in self.shared.living_shards() {
            let of_shard = shard.lock().emitted;
            all.iter_mut().zip(of_shard).for_each(|(all, one)| *all += one);
        }
        all
    }

    pub(super) fn tally(&self) -> &Tally {
        &self.shared.tally
    }
}

/// Past what anybody waits for, and not past what the clock can say.
fn far_future() -> Instant {
    Instant::now() + Duration::from_secs(365 * 24 * 3600)
}

/// Waits for a worker that has answered its last flush and has nothing left to do but to drop the
/// writer, which may hang: past the deadline the thread is left to itself.
fn join_until(worker: JoinHandle<()>, end: Option<Instant>) {
    while !worker.is_finished() {
        if end.is_some_and(|end| Instant::now() >= end) {
            return;
        }
        thread::sleep(JOIN_POLL_INTERVAL);
    }
    if let Err(panic) = worker.join() {
        WRITER.caught(panic);
    }
}
