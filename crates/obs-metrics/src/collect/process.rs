//! The `process_*` metrics, with the names that every Prometheus client uses.

use std::fs;
use std::io::Read;
use std::sync::Arc;

use obs_context::{Sample, SampleKind, Source};

use crate::error::Error;
use crate::registry::Registry;

/// Shows the process's CPU time, memory, file descriptors, threads and start time in this registry:
/// `process_cpu_seconds_total`, `process_resident_memory_bytes`, `process_virtual_memory_bytes`,
/// `process_open_fds`, `process_max_fds`, `process_threads`, `process_start_time_seconds`.
///
/// They are read from `/proc` at each scrape.
///
/// # Errors
///
/// Where there is no `/proc/self/stat`: outside Linux, or in a sandbox without it.
pub fn process(registry: &Registry) -> Result<(), Error> {
    let Some(process) = Process::new() else {
        return Err(Error::unsupported(
            "process metrics need Linux's /proc/self/stat, which cannot be read here: leave them out, \
             or make /proc visible",
        ));
    };
    registry.mount_once("process", Arc::new(process));
    Ok(())
}

struct Process {
    ticks_per_second: f64,
    page_size: f64,
    start_seconds: f64,
}

impl Process {
    fn new() -> Option<Self> {
        let stat = Stat::read()?;
        let (ticks_per_second, page_size) = system_constants()?;
        let boot = fs::read_to_string("/proc/stat").ok()?;
        let boot = boot
            .lines()
            .find_map(|line| line.strip_prefix("btime "))?
            .trim()
            .parse::<f64>()
            .ok()?;
        Some(Self {
            ticks_per_second,
            page_size,
            start_seconds: boot + stat.start_ticks / ticks_per_second,
        })
    }
}

impl Source for Process {
    fn collect(&self, sink: &mut dyn FnMut(Sample<'_>)) {
        let mut emit = |name, help, kind, value: Option<f64>| {
            if let Some(value) = value {
                sink(Sample { name, help, kind, labels: &[], value });
            }
        };
        let gauge = SampleKind::Gauge;
        if let Some(stat) = Stat::read() {
            let cpu = stat.cpu_ticks / self.ticks_per_second;
            let resident = stat.resident_pages * self.page_size;
            let counter = SampleKind::Counter;
            emit("process_cpu_seconds_total", "User and system CPU time.", counter, Some(cpu));
            emit("process_resident_memory_bytes", "Resident memory.", gauge, Some(resident));
            emit(
                "process_virtual_memory_bytes",
                "Virtual memory.",
                gauge,
                Some(stat.virtual_bytes),
            );
            emit("process_threads", "Threads.", gauge, Some(stat.threads));
        }
        let start = Some(self.start_seconds);
        emit("process_start_time_seconds", "Start, in seconds since the epoch.", gauge, start);
        emit("process_open_fds", "Open file descriptors.", gauge, open_files());
        emit("process_max_fds", "Limit of open file descriptors.", gauge, max_files());
    }
}

/// What `/proc/self/stat` says (proc_pid_stat(5)).
#[derive(Debug)]
struct Stat {
    cpu_ticks: f64,
    threads: f64,
    start_ticks: f64,
    virtual_bytes: f64,
    resident_pages: f64,
}

impl Stat {
    fn read() -> Option<Self> {
        read("/proc/self/stat", Self::parse)
    }

    fn parse(text: &str) -> Option<Self> {
        // The second field is the program's name in parentheses, which may itself contain some.
        let (_, rest) = text.rsplit_once(')')?;
        // Fields count from 1 in the manual, and the state, its third, is the first here.
        let field =
            |number: usize| rest.split_ascii_whitespace().nth(number - 3)?.parse::<f64>().ok();
        Some(Self {
            cpu_ticks: field(14)? + field(15)?,
            threads: field(20)?,
            start_ticks: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

fn open_files() -> Option<f64> {
    // Since Linux 6.2 the directory's length is the number of its entries.
    let length = fs::metadata("/proc/self/fd").ok()?.len();
    if length > 0 {
        return Some(length as f64);
    }
    // The directory that is being read is one of them.
    Some(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64)
}

fn max_files() -> Option<f64> {
    read("/proc/self/limits", |limits| {
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
        line.split_ascii_whitespace().next()?.parse().ok()
    })
}

/// Reads the beginning of a file of `/proc`, without allocating.
fn read<T>(path: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    let mut buffer = [0; 4096];
    let length = fs::File::open(path).ok()?.read(&mut buffer).ok()?;
    parse(std::str::from_utf8(buffer.get(..length)?).ok()?)
}

/// Clock ticks a second, and bytes a page.
#[cfg(unix)]
#[allow(unsafe_code, reason = "sysconf(3) is the only way to ask")]
fn system_constants() -> Option<(f64, f64)> {
    // SAFETY: it takes a number and touches no memory of ours.
    let (ticks, page) =
        unsafe { (libc::sysconf(libc::_SC_CLK_TCK), libc::sysconf(libc::_SC_PAGESIZE)) };
    (ticks > 0 && page > 0).then_some((ticks as f64, page as f64))
}

#[cfg(not(unix))]
fn system_constants() -> Option<(f64, f64)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_with_parentheses_in_program_name_is_parsed() {
        let stat =
            Stat::parse("7 (a) b) (c) S 1 1 1 0 -1 0 0 0 0 0 150 50 0 0 20 0 3 0 999 4096 17 1\n");
        let stat = stat.unwrap();
        assert!((stat.cpu_ticks - 200.0).abs() < 1e-9);
        assert!((stat.threads - 3.0).abs() < 1e-9);
        assert!((stat.start_ticks - 999.0).abs() < 1e-9);
        assert!((stat.resident_pages - 17.0).abs() < 1e-9);
        assert!(Stat::parse("nothing of the kind").is_none());
    }
}
