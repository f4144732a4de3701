//! The threads of a process, from `/proc`.

use std::fs;
use std::time::Duration;

use nix::unistd::{SysconfVar, sysconf};

use crate::error::{Error, Kind};

/// The ids of all threads, in order.
pub(crate) fn of(pid: i32) -> Result<Vec<i32>, Error> {
    let folder = fs::read_dir(format!("/proc/{pid}/task"))
        .map_err(|source| Error::new(Kind::Process { pid, source }))?;
    let ids = folder.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mut ids: Vec<i32> = ids.collect();
    ids.sort_unstable();
    Ok(ids)
}

/// Empty when the thread has ended.
pub(crate) fn name(pid: i32, tid: i32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/task/{tid}/comm")).unwrap_or_default();
    printable(name.trim_end())
}

/// Whatever a thread calls itself, it harms no terminal.
pub(crate) fn printable(name: &str) -> String {
    name.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

/// CPU time spent in the kernel.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SystemTime {
    /// By all threads of the process, the ended ones included.
    pub(crate) own: Duration,
    /// By the processes that it started, that have ended, and that it has waited for; and by theirs.
    pub(crate) of_ended_children: Duration,
}

/// proc_pid_stat(5), fields 15 and 17; `None` when it has ended.
pub(crate) fn system_time(pid: i32) -> Option<SystemTime> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(12);
    let a_second = sysconf(SysconfVar::CLK_TCK).ok().flatten()?;
    let time = |ticks: &str| {
        let ticks: u64 = ticks.parse().ok()?;
        Some(Duration::from_secs_f64(ticks as f64 / a_second.max(1) as f64))
    };
    let own = time(fields.next()?)?;
    Some(SystemTime { own, of_ended_children: time(fields.nth(1)?)? })
}

/// What can be said of a process before it is looked into: one that has ended, and one of the kernel, have
/// no stacks of their own.
pub(crate) fn check(pid: i32) -> Result<(), Error> {
    /// `PF_KTHREAD` of linux/sched.h.
    const KERNEL_THREAD: u64 = 0x0020_0000;

    // Where it cannot be read, what follows says why.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let mut fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace();
    if matches!(fields.next(), Some("Z" | "X")) {
        return Err(Error::new(Kind::Ended { pid }));
    }
    let flags = fields.nth(5).and_then(|flags| flags.parse::<u64>().ok());
    match flags.is_some_and(|flags| flags & KERNEL_THREAD != 0) {
        true => Err(Error::new(Kind::KernelThread { pid })),
        false => Ok(()),
    }
}

/// proc_pid_stat(5), field 3: `R`, `S`, `D`, ...; `None` when the thread has ended.
pub(crate) fn state(pid: i32, tid: i32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/task/{tid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}
