//! The events that sample a process, and the rings that they write into.

use std::io;

use crate::attach::perf::{self, Event};
use crate::attach::ring::Ring;
use crate::attach::{threads, tree};
use crate::error::{Error, Kind};

/// One ring a processor, for all threads: threads that start later are followed by their parents' events.
pub(crate) struct Opened {
    pub(crate) rings: Vec<Ring>,
    /// Whether they show time in the kernel, which takes more rights than the rest.
    pub(crate) with_kernel: bool,
    /// Processes that run already.
    pub(crate) pids: Vec<i32>,
    /// Threads of processes that were started by the first, and that may not be sampled.
    pub(crate) refused: u64,
}

/// The rings of all threads of a process that runs, and of those that it has started where they are wanted.
///
/// A thread that starts after the list was read and before its parent's event was opened would be in
/// not sampled: the rings are opened again until no thread has come meanwhile.
pub(crate) fn open_running(pid: i32, rate: u32, with_children: bool) -> Result<Opened, Error> {
    /// A process that starts threads all the time is sampled as it is.
    const MAX_TRIES: usize = 8;

    let mut listed = list(pid, with_children)?;
    let mut tries = 0;
    loop {
        let (rings, with_kernel, refused) = open(pid, &listed, rate, false)?;
        let now = list(pid, with_children)?;
        tries += 1;
        if tries == MAX_TRIES || now.iter().all(|thread| listed.contains(thread)) {
            let mut pids: Vec<i32> = listed.into_iter().map(|thread| thread.pid).collect();
            pids.dedup();
            return Ok(Opened { rings, with_kernel, pids, refused });
        }
        listed = now;
    }
}

/// The rings of the program that this thread starts next, from its first instruction on.
pub(crate) fn open_next(rate: u32) -> Result<(Vec<Ring>, bool), Error> {
    let own = std::process::id().cast_signed();
    let (rings, with_kernel, _) = open(own, &[Thread { pid: own, tid: 0 }], rate, true)?;
    Ok((rings, with_kernel))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Thread {
    pid: i32,
    tid: i32,
}

fn list(root: i32, with_children: bool) -> Result<Vec<Thread>, Error> {
    let of = |pid, tids: Vec<i32>| tids.into_iter().map(move |tid| Thread { pid, tid });
    let mut listed: Vec<Thread> = of(root, threads::of(root)?).collect();
    if with_children {
        for pid in tree::of(root).into_iter().skip(1) {
            // It may have ended meanwhile.
            listed.extend(of(pid, threads::of(pid).unwrap_or_default()));
        }
    }
    Ok(listed)
}

type Rings = (Vec<Ring>, bool, u64);

fn open(root: i32, threads: &[Thread], rate: u32, from_exec: bool) -> Result<Rings, Error> {
    let failed = |source| Error::new(Kind::Perf { pid: root, source });
    let tried = |with_kernel| open_all(root, threads, rate, from_exec, with_kernel);
    match tried(true) {
        Ok((rings, refused)) => Ok((rings, true, refused)),
        Err(error) if is_denied(&error) => {
            let (rings, refused) = tried(false).map_err(failed)?;
            Ok((rings, false, refused))
        }
        Err(error) => Err(failed(error)),
    }
}

fn open_all(
    root: i32,
    threads: &[Thread],
    rate: u32,
    from_exec: bool,
    with_kernel: bool,
) -> io::Result<(Vec<Ring>, u64)> {
    let mut rings = Vec::new();
    let mut refused: Vec<i32> = Vec::new();
    for cpu in 0..processors() {
        let mut ring: Option<Ring> = None;
        for &Thread { pid, tid } in threads {
            let event = Event { tid, cpu, rate: rate.max(1).into(), from_exec, with_kernel };
            let opened = perf::open(event).and_then(|event| match &mut ring {
                Some(ring) => ring.add(event),
                None => Ring::of(event).map(|opened| ring = Some(opened)),
            });
            match opened {
                Ok(()) => {}
                // The thread has ended, or the processor is switched off.
                Err(error) if matches!(error.raw_os_error(), Some(libc::ESRCH | libc::ENODEV)) => {}
                // Another user's, in the midst of those that may be sampled.
                Err(error) if pid != root && is_denied(&error) => refused.push(tid),
                Err(error) => return Err(error),
            }
        }
        rings.extend(ring);
    }
    refused.sort_unstable();
    refused.dedup();
    match rings.is_empty() {
        true => Err(io::Error::from_raw_os_error(libc::ESRCH)),
        false => Ok((rings, refused.len() as u64)),
    }
}

fn is_denied(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EACCES | libc::EPERM))
}

fn processors() -> i32 {
    let online = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    let last = online.trim().rsplit(['-', ',']).next().and_then(|last| last.parse::<i32>().ok());
    let here = std::thread::available_parallelism().map_or(1, usize::from);
    last.map_or(1, |last| last.saturating_add(1)).max(i32::try_from(here).unwrap_or(1))
}
