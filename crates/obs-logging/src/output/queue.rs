//! Lines wait in a few shards for a thread that writes them.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use obs_guard::{fork_generation, watch_forks};
use tracing_core::Level;

use super::policy::WhenFull;
use super::process;
use super::tally::{Counts, Tally, level_index};
use super::worker;
use super::{FlushReport, Target};
use crate::Error;

/// With fewer, a thread that is preempted while it holds one stops too many others.
const FEWEST_SHARDS: usize = 4;

/// More shards than this only scatter the lines.
const MOST_SHARDS: usize = 8;

/// What a blocked thread looks up now and then: whether the queue still runs.
const LOOK: Duration = Duration::from_millis(50);

/// How often a shutdown looks whether the worker is gone.
const JOIN_POLL_INTERVAL: Duration = Duration::from_millis(1);

thread_local! {
    static SHARD: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed)
    };
    /// Whether this thread is inside the writer: its own lines must not wait for it.
    static WRITING: Cell<bool> = const { Cell::new(false) };
}

/// Tells the output by when it has to be done.
pub(crate) type AtDeadline = Box<dyn Fn(Instant) + Send + Sync>;

/// What an output must be done before, so that its last word is heard.
const LONGEST_MARGIN: Duration = Duration::from_millis(200);

pub(crate) struct Queue {
    shared: Arc<Shared>,
    at_deadline: Option<AtDeadline>,
    worker: Mutex<Option<JoinHandle<()>>>,
}

/// What the threads that log and the one that writes share.
pub(super) struct Shared {
    pub(super) shards: Box<[Shard]>,
    capacity: usize,
    when_full: WhenFull,
    phase: AtomicU8,
    /// Whether a deadline has passed: the writer is not waited for again.
    is_abandoned: AtomicBool,
    /// Whose child this process was when the queue was made: see `fork_generation`.
    forks: u32,
    pub(super) target: Mutex<Target>,
    pub(super) tally: Arc<Tally>,
    /// What the worker sleeps by.
    pub(super) bell: worker::Bell,
    /// How many flushes were asked for, and answered.
    flushes: Mutex<Flushes>,
    answered: Condvar,
}

#[derive(Default)]
struct Flushes {
    asked: u64,
    answered: u64,
    has_ended: bool,
}

/// On cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct Shard {
    pub(super) lines: Mutex<Lines>,
    pub(super) has_room: Condvar,
    /// The bytes in `lines`, for those who do not hold the lock.
    pub(super) filled: AtomicUsize,
}

#[derive(Default)]
pub(super) struct Lines {
    pub(super) bytes: Vec<u8>,
    pub(super) ends: Vec<u32>,
    pub(super) waiting: usize,
    emitted: [u64; 5],
    dropped: u64,
}

/// The worker takes lines.
const RUNNING: u8 = 0;
/// The worker takes what is left and goes.
const ENDING: u8 = 1;
/// There is no worker: whoever logs writes.
const ENDED: u8 = 2;

impl Queue {
    pub(crate) fn start(
        target: Target,
        at_deadline: Option<AtDeadline>,
        tally: Arc<Tally>,
        buffer_bytes: usize,
        when_full: WhenFull,
    ) -> Result<Self, Error> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let shards = cores.clamp(FEWEST_SHARDS, MOST_SHARDS);
        let shared = Arc::new(Shared {
            shards: (0..shards).map(|_| Shard::default()).collect(),
            capacity: buffer_bytes,
            when_full,
            phase: AtomicU8::new(RUNNING),
            is_abandoned: AtomicBool::new(false),
            forks: fork_generation(),
            target: Mutex::new(target),
            tally,
            bell: worker::Bell::default(),
            flushes: Mutex::default(),
            answered: Condvar::new(),
        });
        let worker = worker::start(shared.clone()).map_err(|error| {
            Error::new("no thread to write log lines", "free threads, or use Delivery::Blocking")
                .caused_by(error)
        })?;
        shared.bell.is_for(worker.thread().clone());
        watch_forks();
        process::register(&shared);
        Ok(Self { shared, at_deadline, worker: Mutex::new(Some(worker)) })
    }

    #[inline]
    pub(super) fn push(&self, level: Level, line: &[u8]) -> bool {
        let shared = &*self.shared;
        if shared.is_orphaned() {
            return shared.write_orphaned(level, line);
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
                shared.bell.ring(is_urgent);
                return true;
            }
            let may_wait = shared.when_full == WhenFull::Block && !is_writing();
            if !may_wait {
                lines.emitted[level_index(level)] += 1;
                lines.dropped += 1;
                return false;
            }
            shared.bell.ring(true);
            lines.waiting += 1;
            lines = match shard.has_room.wait_timeout(lines, LOOK) {
                Ok((lines, _)) => lines,
                Err(poisoned) => poisoned.into_inner().0,
            };
            lines.waiting -= 1;
        }
    }

    pub(super) fn flush(&self, deadline: Duration) -> FlushReport {
        let complete = self.shared.await_answer(deadline);
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
        if let (Some(at_deadline), false) = (&self.at_deadline, shared.is_orphaned()) {
            let margin = (deadline / 10).min(LONGEST_MARGIN);
            at_deadline(end.unwrap_or_else(far_off) - margin);
        }
        let was_abandoned = shared.is_abandoned.load(Ordering::Relaxed);
        let complete = shared.await_answer(if was_abandoned { Duration::ZERO } else { deadline });
        if shared.is_orphaned() {
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
fn far_off() -> Instant {
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
        super::target::WRITER.caught(panic);
    }
}

impl Shared {
    /// What each shard may hold without looking at the others.
    #[inline]
    fn share(&self, limit: usize) -> usize {
        limit / self.shards.len()
    }

    /// Whether a shard may hold `filled` bytes: within its share always, beyond it while the others
    /// leave theirs.
    #[inline]
    fn has_room(&self, shard: &Shard, filled: usize, limit: usize) -> bool {
        filled <= self.share(limit) || {
            let all = self.shards.iter().map(|shard| shard.filled.load(Ordering::Relaxed));
            all.sum::<usize>() + filled <= limit + shard.filled.load(Ordering::Relaxed)
        }
    }

    /// Whether the worker is to take what is left and go.
    pub(super) fn is_ending(&self) -> bool {
        self.phase.load(Ordering::Acquire) != RUNNING
    }

    /// From here on whoever logs writes. Shards may still hold lines, but get no more.
    pub(super) fn end(&self) {
        self.phase.store(ENDED, Ordering::SeqCst);
    }

    /// Lines that found no room.
    pub(super) fn refused(&self) -> u64 {
        self.shards.iter().map(|shard| shard.lock().dropped).sum()
    }

    /// How many flushes have been asked for: what is pushed before the question is seen after it.
    pub(super) fn flushes_asked(&self) -> u64 {
        self.flushes().asked
    }

    pub(super) fn answer_flushes(&self, asked: u64, has_ended: bool) {
        let mut flushes = self.flushes();
        flushes.answered = flushes.answered.max(asked);
        flushes.has_ended |= has_ended;
        drop(flushes);
        self.answered.notify_all();
    }

    /// Whether everything that was pushed before has been dealt with in time.
    pub(super) fn await_answer(&self, deadline: Duration) -> bool {
        if self.is_orphaned() {
            return true;
        }
        if is_writing() {
            return false; // a writer that flushes the log would wait for itself
        }
        let end = Instant::now().checked_add(deadline);
        let mut flushes = self.flushes();
        flushes.asked += 1;
        let mine = flushes.asked;
        self.bell.ring(true);
        while flushes.answered < mine && !flushes.has_ended {
            let left = end.map_or(LOOK, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return false;
            }
            flushes = match self.answered.wait_timeout(flushes, left) {
                Ok((flushes, _)) => flushes,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        true
    }

    /// Whether this is a forked child: it has no worker, and other threads of the parent may have held
    /// any lock at the moment of the fork.
    #[inline]
    fn is_orphaned(&self) -> bool {
        self.forks != fork_generation()
    }

    /// In a forked child the shards are the parent's affair.
    fn living_shards(&self) -> &[Shard] {
        if self.is_orphaned() { &[] } else { &self.shards }
    }

    /// A line of a forked child: written at once, or lost where the parent was just writing.
    #[cold]
    fn write_orphaned(&self, level: Level, line: &[u8]) -> bool {
        let Ok(mut target) = self.target.try_lock() else {
            self.tally.refuse(level);
            return false;
        };
        self.write_alone(&mut target, level, line)
    }

    /// The writer is stuck: whatever waits for it is lost, and counted.
    fn abandon(&self) {
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
    fn write_late(&self, level: Level, line: &[u8]) -> bool {
        let has_ended = self.flushes().has_ended;
        let target = match has_ended && !is_writing() {
            true => Some(self.target.lock().unwrap_or_else(PoisonError::into_inner)),
            false => None,
        };
        match target {
            Some(mut target) => while_writing(|| self.write_alone(&mut target, level, line)),
            None => {
                self.tally.refuse(level);
                false
            }
        }
    }

    fn write_alone(&self, target: &mut Target, level: Level, line: &[u8]) -> bool {
        self.tally.emitted[level_index(level)].add(1);
        if !target.takes_late_lines() {
            self.tally.lost.add(1);
            return false;
        }
        let was_taken = target.write(line, &[line.len() as u32], &self.tally);
        target.flush(&self.tally);
        was_taken
    }

    fn flushes(&self) -> MutexGuard<'_, Flushes> {
        self.flushes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    pub(super) fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks the thread as being inside the writer.
pub(super) fn while_writing<R>(work: impl FnOnce() -> R) -> R {
    let before = WRITING.try_with(|writing| writing.replace(true)).unwrap_or(true);
    let done = work();
    let _ = WRITING.try_with(|writing| writing.set(before));
    done
}

fn is_writing() -> bool {
    WRITING.try_with(Cell::get).unwrap_or(true)
}
