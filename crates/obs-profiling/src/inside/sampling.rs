//! What happens to samples on the profiler's own thread: unwound as they come, counted, and given names
//! at the end.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime};

use crate::arch;
use crate::attach::code::Code;
use crate::attach::symbols::Symbols;
use crate::attach::threads;
use crate::attach::unwind::{Addresses, Cache, Captured, unwind};
use crate::error::Error;
use crate::inside::bounds::{self, Bounds};
use crate::inside::copying::Copying;
use crate::inside::error::Kind;
use crate::inside::ring::Ring;
use crate::inside::signal::{self, RawSample};
use crate::inside::tally::{Found, Tally};
use crate::inside::telemetry::COUNTS;
use crate::inside::timed::Timed;
use crate::inside::timers::Timers;
use crate::labels::Labels;
use crate::profile::{Profile, Sample};

/// Looking for threads and their stacks takes at most one part in this many of the profiler's thread.
const THREADS_SHARE: u32 = 20;
/// Libraries may be loaded at any time; looking for them costs a millisecond.
const MAPPINGS_AGE: Duration = Duration::from_millis(500);

pub(crate) struct Sampling {
    pid: i32,
    period: Duration,
    timers: Timers,
    ring: Arc<Ring<RawSample>>,
    bounds: Arc<Bounds>,
    /// Timer, stack pointer and own pointer of threads whose stacks' bounds are not known.
    unbounded: Vec<(usize, u64, u64)>,
    next_bounds: Instant,
    code: Code,
    code_read: Instant,
    cache: Cache,
    tally: Tally,
    names: HashMap<i32, String>,
    next_look: Instant,
    begun: SystemTime,
    started: Instant,
    started_ticks: u64,
}

impl Sampling {
    pub(crate) fn begin(
        copying: Copying,
        ring: Arc<Ring<RawSample>>,
        rate: u32,
    ) -> Result<Self, Error> {
        let pid = std::process::id().cast_signed();
        // Before the first sample, which would have to wait for it.
        let code = Code::of(pid)?;
        let period = Duration::from_secs(1) / rate.max(1);
        let timed = Arc::new(Timed::none());
        let bounds = Arc::new(Bounds::none());
        let number = signal::PROFILE.begin(
            copying,
            Arc::clone(&ring),
            Arc::clone(&timed),
            Arc::clone(&bounds),
        );
        let mut sampling = Self {
            pid,
            period,
            timers: Timers::new(number, period, timed, Arc::clone(&bounds)),
            bounds,
            unbounded: Vec::new(),
            next_bounds: Instant::now(),
            ring,
            code,
            code_read: Instant::now(),
            cache: Cache::new(),
            tally: Tally::new(),
            names: HashMap::new(),
            next_look: Instant::now(),
            begun: SystemTime::now(),
            started: Instant::now(),
            started_ticks: arch::ticks(),
        };
        COUNTS.profiles.fetch_add(1, Relaxed);
        sampling.look_for_threads()?;
        Ok(sampling)
    }

    /// Takes in what has come.
    pub(crate) fn tick(&mut self) -> Result<(), Error> {
        self.take_in();
        if !self.unbounded.is_empty() && Instant::now() >= self.next_bounds {
            self.look_for_bounds();
        }
        // A timer's number may have another thread after the next look.
        self.unbounded.clear();
        if Instant::now() >= self.next_look {
            self.look_for_threads()?;
        }
        Ok(())
    }

    pub(crate) fn end(mut self) -> Result<Profile, Error> {
        let is_ours = signal::is_installed();
        let lasted = self.started.elapsed();
        let unsampled = self.timers.unsampled();
        // No more signals, then no more handlers, then what they left.
        self.timers.clear();
        signal::PROFILE.end();
        self.take_in();
        if !is_ours {
            return Err(Error::from(Kind::SignalTaken));
        }
        let lost = self.ring.refused();
        COUNTS.lost.fetch_add(lost, Relaxed);
        COUNTS.unlabelled.fetch_add(self.tally.unlabelled(), Relaxed);
        Ok(Profile {
            kernel_left_out: Duration::ZERO,
            begun: self.begun,
            lasted,
            period: self.period,
            samples: self.samples(),
            lost,
            unlabelled: self.tally.unlabelled(),
            unsampled,
        })
    }

    fn look_for_threads(&mut self) -> Result<(), Error> {
        let begun = Instant::now();
        self.timers.follow().map_err(|source| Error::from(Kind::Timers { source }))?;
        self.next_look = Instant::now() + begun.elapsed() * THREADS_SHARE;
        Ok(())
    }

    fn look_for_bounds(&mut self) {
        let begun = Instant::now();
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
        for (timer, pointer, thread) in self.unbounded.drain(..) {
            if let Some(found) = bounds::find(&maps, pointer, thread) {
                self.bounds.set(timer, found);
            }
        }
        self.next_bounds = Instant::now() + begun.elapsed() * THREADS_SHARE;
    }

    fn take_in(&mut self) {
        let ring = Arc::clone(&self.ring);
        let mut handling = 0;
        ring.drain(|taken| {
            let begun = Instant::now();
            let addresses = self.unwound(taken);
            COUNTS.unwinding.fetch_add(begun.elapsed().as_nanos() as u64, Relaxed);
            handling += taken.took;
            COUNTS.samples.fetch_add(1, Relaxed);
            COUNTS.truncated.fetch_add(u64::from(!addresses.is_complete), Relaxed);
            let pointer = taken.registers.stack_pointer();
            if taken.timer != 0 && self.bounds.above(taken.timer, pointer).is_none() {
                self.unbounded.push((taken.timer, pointer, taken.thread));
            }
            let pid = self.pid;
            self.names.entry(taken.tid).or_insert_with(|| threads::name(pid, taken.tid));
            let labels = taken.span.map(Labels::of).unwrap_or_default();
            self.tally.add(taken.tid, addresses, labels, u64::from(taken.periods));
        });
        COUNTS.handling.fetch_add(self.nanoseconds(handling), Relaxed);
    }

    /// What so many ticks are, by the time that has passed.
    fn nanoseconds(&self, ticks: u64) -> u64 {
        let passed = arch::ticks().wrapping_sub(self.started_ticks).max(1);
        let nanoseconds =
            u128::from(ticks) * self.started.elapsed().as_nanos() / u128::from(passed);
        u64::try_from(nanoseconds).unwrap_or(u64::MAX)
    }

    fn unwound(&mut self, taken: &RawSample) -> Addresses {
        let captured = Captured { registers: taken.registers, stack: taken.stack() };
        let found = unwind(self.code.unwinder(), &mut self.cache, &captured);
        let ends_outside = || found.frames.last().is_some_and(|last| !self.code.has_file(*last));
        if found.is_complete || self.code_read.elapsed() < MAPPINGS_AGE || !ends_outside() {
            return found;
        }
        // It may be in a library that was loaded since.
        self.code_read = Instant::now();
        let Ok(code) = Code::of(self.pid) else { return found };
        self.code = code;
        self.cache = Cache::new();
        unwind(self.code.unwinder(), &mut self.cache, &captured)
    }

    fn samples(&self) -> Vec<Sample> {
        let mut symbols = Symbols::new();
        symbols.resolve(&self.code, self.tally.stacks().iter().map(|stack| &stack.frames));
        let stacks =
            self.tally.stacks().iter().map(|stack| Arc::new(symbols.stack(&self.code, stack)));
        let stacks: Vec<_> = stacks.collect();
        let process: Arc<str> = threads::name(self.pid, self.pid).into();
        let sample = |(found, count): (&Found, u64)| {
            Some(Sample {
                pid: self.pid,
                process: Arc::clone(&process),
                tid: found.tid,
                thread: self.names.get(&found.tid).cloned().unwrap_or_default(),
                stack: Arc::clone(stacks.get(found.stack)?),
                labels: found.labels,
                count,
            })
        };
        let mut samples: Vec<Sample> = self.tally.counts().filter_map(sample).collect();
        samples.sort_by(|one, other| (other.count, one.tid).cmp(&(one.count, other.tid)));
        samples
    }
}

/// However it ends, no handler may write into a ring that is not read any more.
impl Drop for Sampling {
    fn drop(&mut self) {
        self.timers.clear();
        signal::PROFILE.end();
    }
}
