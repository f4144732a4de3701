//! The threads of a process, as `/proc` tells them.

use std::fs;

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

/// proc_pid_stat(5), field 3: `R`, `S`, `D`, ...; `None` when the thread has ended.
pub(crate) fn state(pid: i32, tid: i32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/task/{tid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}
