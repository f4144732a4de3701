//! System calls of a process, as the kernel's tracepoint counts them.

#![allow(unsafe_code, reason = "no safe crate here opens a performance event")]

use std::fs::File;
use std::io::Read;
use std::os::fd::FromRawFd;

use obs_bench_e2e::Failure;
use perf_event_open_sys::bindings as raw;
use perf_event_open_sys::perf_event_open;

/// The calls of the threads that a process has at this moment.
pub(crate) struct Calls(Vec<File>);

impl Calls {
    /// Begins to count; fails where the kernel does not let it: tracepoints are the superuser's.
    pub(crate) fn of(process: u32) -> Result<Self, Failure> {
        let folder = "/sys/kernel/tracing/events/raw_syscalls/sys_enter/id";
        let id = std::fs::read_to_string(folder)?.trim().parse()?;
        let mut counters = Vec::new();
        for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
            let thread = thread?.file_name().to_string_lossy().parse()?;
            counters.push(open(id, thread)?);
        }
        Ok(Self(counters))
    }

    pub(crate) fn so_far(&self) -> Result<u64, Failure> {
        let mut all = 0;
        for mut counter in &self.0 {
            let mut count = [0; 8];
            counter.read_exact(&mut count)?;
            all += u64::from_ne_bytes(count);
        }
        Ok(all)
    }
}

fn open(tracepoint: u64, thread: i32) -> Result<File, Failure> {
    let mut attributes = raw::perf_event_attr {
        size: size_of::<raw::perf_event_attr>() as u32,
        type_: raw::PERF_TYPE_TRACEPOINT,
        config: tracepoint,
        ..Default::default()
    };
    let flags = u64::from(raw::PERF_FLAG_FD_CLOEXEC);
    // SAFETY: the attributes are filled as the kernel wants them, and are only read.
    match unsafe { perf_event_open(&raw mut attributes, thread, -1, -1, flags) } {
        ..0 => Err(std::io::Error::last_os_error().into()),
        // SAFETY: a new descriptor that nobody else owns.
        opened => Ok(unsafe { File::from_raw_fd(opened) }),
    }
}
