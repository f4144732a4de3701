//! A recording that runs.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::process::{Child, Command};
use std::time::{Duration, Instant, SystemTime};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::attach::code::Code;
use crate::attach::perf::{self, Event, Record};
use crate::attach::record::Progress;
use crate::attach::ring::Ring;
use crate::attach::symbols::Symbols;
use crate::attach::threads;
use crate::attach::unwind::{Addresses, Cache, Captured, unwind};
use crate::error::{Error, Kind};
use crate::inside::labels::Labels;
use crate::profile::{Profile, Sample};

/// Different stacks that are kept between two calls of [`Recorder::take`]: samples of further ones count
/// as lost.
const MOST_STACKS: usize = 1 << 17;

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
    code: Code,
    cache: Cache,
    symbols: Symbols,
    names: HashMap<i32, String>,
    begun: Instant,
    samples: u64,
    /// Since the last call of `take`.
    counts: HashMap<(i32, Addresses), u64>,
    lost: u64,
    taken: (SystemTime, Instant),
    left_out: LeftOut,
}

/// CPU time in the kernel, where that may not be sampled: up to the last call of `take`, and up to now.
#[derive(Clone, Copy, Debug)]
enum LeftOut {
    Nothing,
    Kernel { told: Duration, seen: Duration },
}

impl Recorder {
    /// Begins to sample a running process, so many times a second of each thread's CPU time. It is not
    /// stopped: the kernel copies its stacks, and they are unwound here, as they come.
    ///
    /// # Errors
    ///
    /// When there is no such process, or it may not be sampled; the error says what would allow it.
    pub fn attach(pid: i32, rate: u32) -> Result<Self, Error> {
        threads::check(pid)?;
        let (threads, rings, with_kernel) = rings_of_process(pid, rate)?;
        // From now on, what is mapped is told by the kernel.
        rings.iter().for_each(Ring::start);
        let names = threads.into_iter().map(|tid| (tid, threads::name(pid, tid))).collect();
        let code = Code::of(pid)?;
        Ok(Self::of(pid, rate, (rings, with_kernel), code, names))
    }

    /// Starts a program and samples it from its first instruction on.
    ///
    /// # Errors
    ///
    /// When it cannot be started, or sampling is not allowed.
    pub fn spawn(command: &mut Command, rate: u32) -> Result<(Self, Child), Error> {
        // The child inherits the events of this thread, and its `exec` enables them.
        let own = i32::try_from(std::process::id()).unwrap_or_default();
        let rings = rings(own, &[0], rate, true)?;
        let program = command.get_program().to_string_lossy().into_owned();
        let child =
            command.spawn().map_err(|source| Error::new(Kind::Start { program, source }))?;
        let pid = i32::try_from(child.id()).unwrap_or_default();
        let code = Code::mapped(pid, &[]);
        Ok((Self::of(pid, rate, rings, code, HashMap::new()), child))
    }

    fn of(
        pid: i32,
        rate: u32,
        (rings, with_kernel): (Vec<Ring>, bool),
        code: Code,
        names: HashMap<i32, String>,
    ) -> Self {
        let before = threads::system_time(pid).unwrap_or_default();
        let left_out = match with_kernel {
            true => LeftOut::Nothing,
            false => LeftOut::Kernel { told: before, seen: before },
        };
        Self {
            left_out,
            pid,
            rate: rate.max(1),
            rings,
            code,
            cache: Cache::new(),
            symbols: Symbols::new(),
            names,
            begun: Instant::now(),
            samples: 0,
            counts: HashMap::new(),
            lost: 0,
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
        self.left_out.look(self.pid);
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
        let stacks = counts.keys().map(|(_, addresses)| &addresses.frames);
        self.symbols.learn(&self.code, stacks);
        let sample = |((tid, addresses), count): ((i32, Addresses), u64)| Sample {
            tid,
            thread: self.names.get(&tid).cloned().unwrap_or_default(),
            stack: self.symbols.stack(&addresses).into(),
            labels: Labels::default(),
            count,
        };
        let mut samples: Vec<Sample> = counts.into_iter().map(sample).collect();
        samples.sort_by(|one, other| (other.count, one.tid).cmp(&(one.count, other.tid)));
        Profile {
            begun,
            lasted: now.1.saturating_duration_since(started),
            period: Duration::from_secs(1) / self.rate,
            samples,
            lost: std::mem::take(&mut self.lost),
            unlabelled: 0,
            unsampled: 0,
            kernel_left_out: self.left_out.take(),
        }
    }

    /// Ends the sampling, and answers the rest as [`take`](Self::take) does.
    pub fn finish(mut self) -> Profile {
        self.rings.iter().for_each(Ring::stop);
        self.drain();
        self.left_out.look(self.pid);
        self.take()
    }

    fn drain(&mut self) {
        // What is mapped on one processor may be sampled on another.
        for ring in &mut self.rings {
            ring.look(|record| match perf::parse(record) {
                Some(Record::Mapped { pid, mapping }) if pid == self.pid => self.code.map(mapping),
                Some(Record::Named { tid, name }) => {
                    self.names.insert(tid, name);
                }
                _ => {}
            });
        }
        for ring in &mut self.rings {
            ring.drain(|record| match perf::parse(record) {
                Some(Record::Lost(count)) => self.lost += count,
                Some(Record::Sample { pid, tid, kernel, registers, stack }) if pid == self.pid => {
                    let captured = Captured { registers, stack };
                    let mut addresses = unwind(self.code.unwinder(), &mut self.cache, &captured);
                    addresses.frames.splice(0..0, kernel);
                    self.names.entry(tid).or_insert_with(|| threads::name(pid, tid));
                    self.samples += 1;
                    let is_full = self.counts.len() >= MOST_STACKS;
                    match self.counts.get_mut(&(tid, addresses.clone())) {
                        Some(count) => *count += 1,
                        None if is_full => self.lost += 1,
                        None => {
                            self.counts.insert((tid, addresses), 1);
                        }
                    }
                }
                _ => {}
            });
        }
    }
}

impl LeftOut {
    /// A process that has ended keeps what was seen of it.
    fn look(&mut self, pid: i32) {
        if let Self::Kernel { seen, .. } = self {
            *seen = threads::system_time(pid).unwrap_or_default().max(*seen);
        }
    }

    fn take(&mut self) -> Duration {
        match self {
            Self::Nothing => Duration::ZERO,
            Self::Kernel { told, seen } => {
                let left_out = seen.saturating_sub(*told);
                *told = *seen;
                left_out
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

/// The rings of all threads of a process that runs.
///
/// A thread that starts after the list was read and before its parent's event was opened would be in
/// nobody's: the rings are opened again until no thread has come meanwhile.
fn rings_of_process(pid: i32, rate: u32) -> Result<(Vec<i32>, Vec<Ring>, bool), Error> {
    /// A process that starts threads all the time is sampled as it is.
    const MAX_TRIES: usize = 8;

    let mut listed = threads::of(pid)?;
    let mut tries = 0;
    loop {
        let (rings, with_kernel) = rings(pid, &listed, rate, false)?;
        let now = threads::of(pid)?;
        tries += 1;
        if tries == MAX_TRIES || now.iter().all(|tid| listed.contains(tid)) {
            return Ok((listed, rings, with_kernel));
        }
        listed = now;
    }
}

/// One ring a processor, for all threads: threads that start later are followed by their parents' events.
/// And whether they show time in the kernel, which takes more rights than the rest.
fn rings(
    pid: i32,
    threads: &[i32],
    rate: u32,
    from_exec: bool,
) -> Result<(Vec<Ring>, bool), Error> {
    let failed = |source| Error::new(Kind::Perf { pid, source });
    match open_rings(threads, rate, from_exec, true) {
        Ok(rings) => Ok((rings, true)),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EACCES | libc::EPERM)) => {
            Ok((open_rings(threads, rate, from_exec, false).map_err(failed)?, false))
        }
        Err(error) => Err(failed(error)),
    }
}

fn open_rings(
    threads: &[i32],
    rate: u32,
    from_exec: bool,
    with_kernel: bool,
) -> io::Result<Vec<Ring>> {
    let mut rings = Vec::new();
    for cpu in 0..processors() {
        let mut ring: Option<Ring> = None;
        for &tid in threads {
            let event = Event { tid, cpu, rate: rate.max(1).into(), from_exec, with_kernel };
            let opened = perf::open(event).and_then(|event| match &mut ring {
                Some(ring) => ring.add(event),
                None => Ring::of(event).map(|opened| ring = Some(opened)),
            });
            match opened {
                Ok(()) => {}
                // The thread has ended, or the processor is switched off.
                Err(error) if matches!(error.raw_os_error(), Some(libc::ESRCH | libc::ENODEV)) => {}
                Err(error) => return Err(error),
            }
        }
        rings.extend(ring);
    }
    match rings.is_empty() {
        true => Err(io::Error::from_raw_os_error(libc::ESRCH)),
        false => Ok(rings),
    }
}

fn processors() -> i32 {
    let online = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    let last = online.trim().rsplit(['-', ',']).next().and_then(|last| last.parse::<i32>().ok());
    let here = std::thread::available_parallelism().map_or(1, usize::from);
    last.map_or(1, |last| last.saturating_add(1)).max(i32::try_from(here).unwrap_or(1))
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
