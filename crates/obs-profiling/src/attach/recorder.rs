//! A recording that runs.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::attach::left_out::{LeftOut, Whose};
use crate::attach::opening::{open_next, open_running};
use crate::attach::perf::{self, Change};
use crate::attach::processes::{Id, Processes};
use crate::attach::ring::Ring;
use crate::attach::symbols::Symbols;
use crate::attach::threads;
use crate::attach::unwind::{Addresses, Cache, Captured, unwind};
use crate::error::{Error, Kind};
use crate::labels::Labels;
use crate::profile::{Profile, Sample};

/// Different stacks that are kept between two calls of [`Recorder::take`]: samples of further ones count
/// as lost.
const MAX_STACKS: usize = 1 << 17;

/// Whose stack: the process, the thread, and the stack.
type Key = (Id, i32, Addresses);

/// How far a recording is.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Progress {
    /// Since the first sample could come.
    pub elapsed: Duration,
    /// Samples so far.
    pub samples: u64,
}

/// Samples a process until it is dropped; what has come so far can be taken at any moment.
///
/// ```no_run
/// use std::time::Duration;
/// use obs_profiling::Recorder;
///
/// # fn main() -> Result<(), obs_profiling::Error> {
/// let mut recorder = Recorder::attach(1234, 99)?;
/// while recorder.poll(Duration::from_secs(1)) {
///     for (function, own, total) in recorder.take().functions().iter().take(10) {
///         println!("{own:6} {total:6} {function}");
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct Recorder {
    pid: i32,
    rate: u32,
    rings: Vec<Ring>,
    processes: Processes,
    cache: Cache,
    symbols: Symbols,
    begun: Instant,
    samples: u64,
    /// Since the last call of `take`.
    counts: HashMap<Key, u64>,
    lost: u64,
    unsampled: u64,
    taken: (SystemTime, Instant),
    left_out: LeftOut,
}

impl Recorder {
    /// Begins to sample a running process, `rate` times a second of each thread's CPU time. It is not
    /// stopped: the kernel copies its stacks, and they are unwound here, as they come.
    ///
    /// # Errors
    ///
    /// When there is no such process, or it may not be sampled; the error says what would allow it.
    pub fn attach(pid: i32, rate: u32) -> Result<Self, Error> {
        Self::attached(pid, rate, false)
    }

    /// As [`attach`](Self::attach), with the processes that it has started, that it starts from now on, and
    /// with theirs. Those that may not be sampled are counted in [`Profile::unsampled`]. It ends with the
    /// first process, whatever the others do.
    ///
    /// # Errors
    ///
    /// As those of [`attach`](Self::attach).
    pub fn attach_tree(pid: i32, rate: u32) -> Result<Self, Error> {
        Self::attached(pid, rate, true)
    }

    fn attached(pid: i32, rate: u32, with_children: bool) -> Result<Self, Error> {
        threads::check(pid)?;
        let opened = open_running(pid, rate, with_children)?;
        // From now on the kernel reports new mappings.
        opened.rings.iter().for_each(Ring::start);
        let mut processes = Processes::new(pid, with_children);
        for process in opened.pids {
            match processes.add(process) {
                Err(error) if process == pid => return Err(error),
                // It is read when it is sampled; it may have ended.
                _ => {}
            }
        }
        let mut recorder = Self::of(pid, rate, opened.rings, opened.with_kernel, processes);
        recorder.unsampled = opened.refused;
        Ok(recorder)
    }

    /// Starts a program and samples it from its first instruction on.
    ///
    /// # Errors
    ///
    /// When it cannot be started, or sampling is not allowed.
    pub fn spawn(command: &mut Command, rate: u32) -> Result<(Self, Child), Error> {
        Self::spawned(command, rate, false)
    }

    /// As [`spawn`](Self::spawn), with the processes that it starts, and theirs. It ends with the program,
    /// whatever the others do.
    ///
    /// # Errors
    ///
    /// As those of [`spawn`](Self::spawn).
    pub fn spawn_tree(command: &mut Command, rate: u32) -> Result<(Self, Child), Error> {
        Self::spawned(command, rate, true)
    }

    fn spawned(
        command: &mut Command,
        rate: u32,
        with_children: bool,
    ) -> Result<(Self, Child), Error> {
        // The child inherits the events of this thread, and its `exec` enables them.
        let (rings, with_kernel) = open_next(rate)?;
        let program = command.get_program().to_string_lossy().into_owned();
        let child =
            command.spawn().map_err(|source| Error::new(Kind::Start { program, source }))?;
        let pid = i32::try_from(child.id()).unwrap_or_default();
        let mut processes = Processes::new(pid, with_children);
        processes.add_new(pid);
        Ok((Self::of(pid, rate, rings, with_kernel, processes), child))
    }

    fn of(pid: i32, rate: u32, rings: Vec<Ring>, with_kernel: bool, processes: Processes) -> Self {
        let whose = if processes.has_children() { Whose::Tree(pid) } else { Whose::Process(pid) };
        Self {
            left_out: if with_kernel { LeftOut::Nothing } else { LeftOut::of(whose) },
            pid,
            rate: rate.max(1),
            rings,
            processes,
            cache: Cache::new(),
            symbols: Symbols::new(),
            begun: Instant::now(),
            samples: 0,
            counts: HashMap::new(),
            lost: 0,
            unsampled: 0,
            taken: (SystemTime::now(), Instant::now()),
        }
    }

    /// Waits for samples, at most so long, and takes them in; `false` once the process has ended. To be
    /// called at least ten times a second, or samples are lost, which is counted.
    pub fn poll(&mut self, most: Duration) -> bool {
        wait(&self.rings, most);
        // Asked first: what it did to its end has come then.
        let has_ended = matches!(threads::state(self.pid, self.pid), None | Some('Z' | 'X'));
        self.drain();
        self.left_out.refresh();
        !has_ended
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        Progress { elapsed: self.begun.elapsed(), samples: self.samples }
    }

    /// What has been sampled since the last call, or since the beginning.
    pub fn take(&mut self) -> Profile {
        let now = (SystemTime::now(), Instant::now());
        let (begun, started) = std::mem::replace(&mut self.taken, now);
        let counts = std::mem::take(&mut self.counts);
        let mut samples = Vec::with_capacity(counts.len());
        let mut by_process: HashMap<Id, Vec<(i32, Addresses, u64)>> = HashMap::new();
        for ((id, tid, addresses), count) in counts {
            by_process.entry(id).or_default().push((tid, addresses, count));
        }
        for (id, stacks) in by_process {
            let Some(process) = self.processes.get(id) else { continue };
            let addresses = stacks.iter().map(|(_, addresses, _)| &addresses.frames);
            self.symbols.resolve(&process.code, addresses);
            samples.extend(stacks.into_iter().map(|(tid, addresses, count)| Sample {
                pid: process.pid,
                process: Arc::clone(&process.name),
                tid,
                thread: process.thread(tid).to_owned(),
                stack: self.symbols.stack(&process.code, &addresses).into(),
                labels: Labels::default(),
                count,
            }));
        }
        self.processes.forget();
        samples.sort_by(|one, other| (other.count, one.tid).cmp(&(one.count, other.tid)));
        Profile {
            begun,
            lasted: now.1.saturating_duration_since(started),
            period: Duration::from_secs(1) / self.rate,
            samples,
            lost: std::mem::take(&mut self.lost),
            unlabelled: 0,
            unsampled: self.unsampled,
            kernel_left_out: self.left_out.take(),
        }
    }

    /// Ends the sampling, and answers the rest as [`take`](Self::take) does.
    pub fn finish(mut self) -> Profile {
        self.rings.iter().for_each(Ring::stop);
        self.drain();
        self.left_out.refresh();
        self.take()
    }

    fn drain(&mut self) {
        // What is mapped on one processor may be sampled on another.
        let mut changes: Vec<Change> = Vec::new();
        for ring in &mut self.rings {
            ring.peek(|record| changes.extend(perf::change(record)));
        }
        changes.sort_by_key(|change| change.time);
        for change in changes {
            self.processes.change(change);
        }
        let mut rings = std::mem::take(&mut self.rings);
        for ring in &mut rings {
            ring.drain(|record| match perf::sample(record) {
                Some(sample) => self.count(sample),
                None => self.lost += perf::lost(record).unwrap_or_default(),
            });
        }
        self.rings = rings;
        self.processes.clear();
    }

    fn count(&mut self, sample: perf::Sample<'_>) {
        let perf::Sample { pid, tid, time, kernel, registers, stack } = sample;
        let Some((id, code)) = self.processes.sampled(pid, tid, time) else {
            self.lost += u64::from(self.processes.is_wanted(pid));
            return;
        };
        let captured = Captured { registers, stack };
        let mut addresses = unwind(code.unwinder(), &mut self.cache, &captured);
        addresses.frames.splice(0..0, kernel);
        self.samples += 1;
        let is_full = self.counts.len() >= MAX_STACKS;
        match self.counts.entry((id, tid, addresses)) {
            Entry::Occupied(mut count) => *count.get_mut() += 1,
            Entry::Vacant(_) if is_full => self.lost += 1,
            Entry::Vacant(new) => {
                new.insert(1);
            }
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Recorder");
        debug.field("pid", &self.pid).field("rate", &self.rate).field("samples", &self.samples);
        debug.field("symbols", &self.symbols).finish_non_exhaustive()
    }
}

fn wait(rings: &[Ring], most: Duration) {
    let events = rings.iter().filter_map(Ring::as_fd);
    let mut events: Vec<PollFd<'_>> =
        events.map(|event| PollFd::new(event, PollFlags::POLLIN)).collect();
    let most = most.min(Duration::from_millis(100));
    // Interrupted or not: what has come is read next.
    let _ = poll(&mut events, PollTimeout::from(most.as_millis() as u16));
    let came = |event: &PollFd<'_>| {
        event.revents().is_some_and(|revents| revents.contains(PollFlags::POLLIN))
    };
    if events.iter().any(|event| event.any().unwrap_or(false)) && !events.iter().any(came) {
        // The ring's first thread has ended: there is nothing to wait for, the others go on.
        std::thread::sleep(most.min(Duration::from_millis(20)));
    }
}
