//! A timer for each thread, which signals that thread when it has used up a period of CPU time.
//!
//! A thread that has just begun has none until it is found. For those there is one timer of the whole
//! process's CPU time, whose signal goes to the thread that runs (since Linux 6.4) and is ignored by those
//! with a timer of their own.

#![allow(unsafe_code, reason = "timer_create(2) and its like have no safe face")]

use std::collections::{HashMap, HashSet};
use std::io;
use std::mem;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::attach::threads;
use crate::inside::bounds::{self, Bounds};
use crate::inside::signal_value::SignalValue;
use crate::inside::sync::pause;
use crate::inside::timed::Timed;

/// All timers of this process, for its metrics.
pub(crate) static ALIVE: AtomicU64 = AtomicU64::new(0);

/// The process's timer is slower by this, to cost little; its samples count for more.
pub(crate) const PROCESS_PERIODS: u32 = 4;

/// The timers of one profile.
#[derive(Debug)]
pub(crate) struct Timers {
    pid: i32,
    number: u32,
    period: Duration,
    timed: Arc<Timed>,
    bounds: Arc<Bounds>,
    /// Numbers for timers that are not in use.
    free: Vec<usize>,
    process: Option<Timer>,
    /// The profiler's own thread, which is left out.
    own: i32,
    threads: HashMap<i32, (usize, Option<Timer>)>,
    refused: u64,
}

impl Timers {
    pub(crate) fn new(
        number: u32,
        period: Duration,
        timed: Arc<Timed>,
        bounds: Arc<Bounds>,
    ) -> Self {
        timed.set(own_tid(), true);
        Self {
            pid: std::process::id().cast_signed(),
            number,
            period,
            timed,
            bounds,
            free: (1..bounds::MAX_TIMERS).rev().collect(),
            process: None,
            own: own_tid(),
            threads: HashMap::new(),
            refused: 0,
        }
    }

    /// Takes all of them away.
    pub(crate) fn clear(&mut self) {
        self.threads.clear();
        self.process = None;
    }

    /// Gives new threads a timer, and takes those of ended ones away.
    pub(crate) fn follow(&mut self) -> io::Result<()> {
        let Ok(now) = threads::of(self.pid) else { return Ok(()) };
        let mut refusal = None;
        for &tid in now.iter().filter(|tid| **tid != self.own) {
            if self.threads.contains_key(&tid) {
                continue;
            }
            self.timed.set(tid, true);
            // The last few are sampled the slow way.
            let timer = self.free.pop().unwrap_or_default();
            let value = SignalValue { number: self.number, timer, tid };
            let started = match Timer::start(value, self.period) {
                Ok(timer) => Some(timer),
                // It has ended.
                Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ESRCH)) => {
                    self.timed.set(tid, false);
                    self.free.extend(Some(timer).filter(|timer| *timer != 0));
                    continue;
                }
                Err(error) => {
                    self.timed.set(tid, false);
                    refusal = Some(error);
                    self.refused += 1;
                    None
                }
            };
            self.threads.insert(tid, (timer, started));
        }
        let now: HashSet<i32> = now.into_iter().collect();
        let Self { timed, bounds, free, .. } = self;
        self.threads.retain(|tid, (timer, _)| {
            let lives = now.contains(tid);
            if !lives {
                timed.set(*tid, false);
                bounds.set(*timer, 0..0);
                free.extend(Some(*timer).filter(|timer| *timer != 0));
            }
            lives
        });
        if self.process.is_none() {
            // Without it, threads go unseen until they are found.
            let value = SignalValue { number: self.number, timer: 0, tid: 0 };
            self.process = Timer::start(value, self.period * PROCESS_PERIODS).ok();
        }
        match refusal {
            Some(error) if self.threads.values().all(|(_, timer)| timer.is_none()) => Err(error),
            _ => Ok(()),
        }
    }

    /// How many threads were not sampled: for want of timers, or because they block the signal.
    pub(crate) fn unsampled(&self) -> u64 {
        let blocking = self.threads.keys().filter(|tid| blocks_signal(self.pid, **tid));
        self.refused + blocking.count() as u64
    }
}

/// Its thread may end at any moment: then it does nothing any more.
#[derive(Debug)]
struct Timer(libc::timer_t);

impl Timer {
    /// Of one thread, or of the whole process for 0.
    fn start(value: SignalValue, period: Duration) -> io::Result<Self> {
        // SAFETY: a sigevent is plain numbers, for which zeros are valid.
        let mut event: libc::sigevent = unsafe { mem::zeroed() };
        let (clock, notify) = match value.tid {
            0 => (libc::CLOCK_PROCESS_CPUTIME_ID, libc::SIGEV_SIGNAL),
            tid => (cpu_clock(tid), libc::SIGEV_THREAD_ID),
        };
        event.sigev_notify = notify;
        event.sigev_signo = libc::SIGPROF;
        event.sigev_notify_thread_id = value.tid;
        event.sigev_value = value.value();
        let mut timer = ptr::null_mut();
        // SAFETY: both structures are ours, and filled as the call wants them.
        if unsafe { libc::timer_create(clock, &raw mut event, &raw mut timer) } != 0 {
            return Err(io::Error::last_os_error());
        }
        ALIVE.fetch_add(1, Relaxed);
        let timer = Self(timer);
        // A thread that lives for less than a period must have its chance as well.
        let first = obs_context::random_u64() % (period.as_nanos() as u64).max(1) + 1;
        let setting = libc::itimerspec {
            it_value: timespec(Duration::from_nanos(first)),
            it_interval: timespec(period),
        };
        // SAFETY: the timer was made above; the old setting is not asked for.
        match unsafe { libc::timer_settime(timer.0, 0, &raw const setting, ptr::null_mut()) } {
            0 => Ok(timer),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Relaxed);
        // SAFETY: the timer was made by us and is deleted once.
        unsafe { libc::timer_delete(self.0) };
    }
}

// SAFETY: a timer belongs to the process, not to the thread that made it.
unsafe impl Send for Timer {}

/// The CPU time of one thread: the kernel's `MAKE_THREAD_CPUCLOCK(tid, CPUCLOCK_SCHED)`, the same as
/// pthread_getcpuclockid(3) answers.
fn cpu_clock(tid: i32) -> libc::clockid_t {
    const CPUCLOCK_SCHED: i32 = 2;
    const CPUCLOCK_PERTHREAD_MASK: i32 = 4;
    !tid << 3 | CPUCLOCK_SCHED | CPUCLOCK_PERTHREAD_MASK
}

fn timespec(duration: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: duration.as_secs() as libc::time_t,
        tv_nsec: duration.subsec_nanos().into(),
    }
}

pub(crate) fn own_tid() -> i32 {
    // SAFETY: it always succeeds and touches nothing.
    unsafe { libc::gettid() }
}

/// Whether the thread blocks it by itself: while the handler is at work, the kernel does.
pub(crate) fn blocks_signal(pid: i32, tid: i32) -> bool {
    const ATTEMPTS: usize = 3;

    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            pause();
        }
        if !has_it_blocked(pid, tid) {
            return false;
        }
    }
    true
}

fn has_it_blocked(pid: i32, tid: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/status"));
    let status = status.unwrap_or_default();
    let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
    let blocked = blocked.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    blocked.is_some_and(|mask| mask & 1 << (libc::SIGPROF - 1) != 0)
}
