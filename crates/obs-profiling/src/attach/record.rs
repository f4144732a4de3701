//! Sampling a process for a while.

use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant, SystemTime};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::attach::code::Code;
use crate::attach::perf::Ring;
use crate::attach::symbols::Symbols;
use crate::attach::threads;
use crate::attach::unwind::{Addresses, Cache, Captured, unwind};
use crate::error::{Error, Kind};
use crate::profile::{Profile, Sample};

/// What to sample.
#[derive(Clone, Copy, Debug)]
pub struct Recording {
    /// Samples a second of each thread's CPU time: 99 unless set. A waiting thread gives none.
    pub rate: u32,
    /// For how long: 10 s unless set.
    pub duration: Duration,
}

impl Default for Recording {
    fn default() -> Self {
        Self { rate: 99, duration: Duration::from_secs(10) }
    }
}

/// How far a recording is.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Progress {
    /// Since the first sample could come.
    pub elapsed: Duration,
    /// Samples so far.
    pub samples: u64,
}

/// Samples a process; `go_on` is asked about ten times a second and ends the recording by `false`. A
/// process that ends, ends it too: what was recorded is kept.
///
/// The process is not stopped. Its stacks are copied by the kernel and unwound here, as they come.
///
/// # Errors
///
/// When there is no such process, or it may not be sampled; the error says what would allow it.
pub fn record(
    pid: i32,
    recording: Recording,
    mut go_on: impl FnMut(Progress) -> bool,
) -> Result<Profile, Error> {
    let rate = u64::from(recording.rate.max(1));
    let mut names: HashMap<i32, String> = HashMap::new();
    let mut rings = rings(pid, rate)?;
    let code = Code::of(pid)?;
    let mut cache = Cache::new();
    let mut counts: HashMap<(i32, Addresses), u64> = HashMap::new();
    let (mut samples, mut lost) = (0, 0);
    let (begun, started) = (SystemTime::now(), Instant::now());
    rings.iter().for_each(Ring::start);
    loop {
        let elapsed = started.elapsed();
        let is_over = elapsed >= recording.duration || !go_on(Progress { elapsed, samples });
        if is_over {
            rings.iter().for_each(Ring::stop);
        } else {
            wait(&rings, recording.duration.saturating_sub(elapsed));
        }
        for ring in &mut rings {
            lost += ring.drain(|taken| {
                let captured = Captured { registers: taken.registers, stack: taken.stack };
                let addresses = unwind(code.unwinder(), &mut cache, &captured);
                *counts.entry((taken.tid, addresses)).or_default() += 1;
                names.entry(taken.tid).or_insert_with(|| threads::name(pid, taken.tid));
                samples += 1;
            });
        }
        // Symbols can be read as long as the process is there, or a zombie.
        if is_over || has_ended(pid) {
            break;
        }
    }
    let lasted = started.elapsed();
    let mut symbols = Symbols::new();
    symbols.learn(&code, counts.keys().map(|(_, addresses)| &addresses.frames));
    let mut samples: Vec<Sample> = counts
        .into_iter()
        .map(|((tid, addresses), count)| Sample {
            tid,
            thread: names.get(&tid).cloned().unwrap_or_default(),
            stack: symbols.stack(&addresses),
            count,
        })
        .collect();
    samples.sort_by(|one, other| (other.count, one.tid).cmp(&(one.count, other.tid)));
    let period = Duration::from_secs(1) / recording.rate.max(1);
    Ok(Profile { begun, lasted, period, samples, lost })
}

/// One ring a processor, for all threads: threads that start later are followed by their parents' events.
fn rings(pid: i32, rate: u64) -> Result<Vec<Ring>, Error> {
    let failed = |source| Error::new(Kind::Perf { pid, source });
    let threads = threads::of(pid)?;
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let cpus = cpus.max(configured_cpus());
    let mut rings = Vec::new();
    for cpu in 0..cpus as i32 {
        let mut ring: Option<Ring> = None;
        for &tid in &threads {
            let opened = match &mut ring {
                Some(ring) => ring.add(tid, cpu, rate),
                None => Ring::of_thread(tid, cpu, rate).map(|opened| ring = Some(opened)),
            };
            match opened {
                Ok(()) => {}
                // The thread has ended, or the processor is switched off.
                Err(error) if matches!(error.raw_os_error(), Some(libc::ESRCH | libc::ENODEV)) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        rings.extend(ring);
    }
    match rings.is_empty() {
        true => Err(failed(io::Error::from_raw_os_error(libc::ESRCH))),
        false => Ok(rings),
    }
}

fn configured_cpus() -> usize {
    let online = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    let last = online.trim().rsplit(['-', ',']).next().and_then(|last| last.parse::<usize>().ok());
    last.map_or(1, |last| last + 1)
}

fn wait(rings: &[Ring], left: Duration) {
    let events = rings.iter().filter_map(Ring::as_fd);
    let mut events: Vec<PollFd<'_>> =
        events.map(|event| PollFd::new(event, PollFlags::POLLIN)).collect();
    let most = left.min(Duration::from_millis(100)).as_millis() as u16;
    // Interrupted or not: what has come is read next.
    let _ = poll(&mut events, PollTimeout::from(most));
}

fn has_ended(pid: i32) -> bool {
    matches!(threads::state(pid, pid), None | Some('Z' | 'X'))
}
