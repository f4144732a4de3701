//! Every thread's name and state from `/proc`: no signal, no stop, no symbols.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// Further threads are only counted.
const MAX_THREADS: usize = 256;

/// `tokio-runtime-w 4242 sleeping in hrtimer_nanosleep; ...`, or empty where there is no `/proc`.
pub(crate) fn states() -> String {
    let Ok(folder) = fs::read_dir("/proc/self/task") else { return String::new() };
    let mut all: Vec<_> = folder.filter_map(|entry| state(&entry.ok()?.path())).collect();
    let left_out = all.len().saturating_sub(MAX_THREADS);
    all.truncate(MAX_THREADS);
    if left_out > 0 {
        all.push(format!("and {left_out} more"));
    }
    all.join("; ")
}

/// The load of all threads but the watchdog's.
pub(crate) struct Load {
    /// Their CPU time.
    pub(crate) cpu_time: Duration,
    /// Whether one runs, or waits for a processor.
    pub(crate) is_runnable: bool,
}

/// `None` where there is no `/proc`, or its kernel keeps no account.
pub(crate) fn load() -> Option<Load> {
    let mut load = Load { cpu_time: Duration::ZERO, is_runnable: false };
    for entry in fs::read_dir("/proc/self/task").ok()? {
        let task = entry.ok()?.path();
        // It may have ended meanwhile.
        let Some((name, _, letter)) = name_and_letter(&task) else { continue };
        if name.starts_with("obs-watchdog") {
            continue;
        }
        let account = fs::read_to_string(task.join("schedstat")).ok()?;
        load.cpu_time += Duration::from_nanos(account.split(' ').next()?.parse().ok()?);
        load.is_runnable |= letter == 'R';
    }
    Some(load)
}

/// `None` when the thread has ended meanwhile.
fn state(task: &Path) -> Option<String> {
    let (name, id, letter) = name_and_letter(task)?;
    let wchan = fs::read_to_string(task.join("wchan")).unwrap_or_default();
    let place = match wchan.trim() {
        "" | "0" => String::new(),
        place => format!(" in {place}"),
    };
    Some(format!("{name} {id} {}{place}", state_name(letter)))
}

fn name_and_letter(task: &Path) -> Option<(String, &str, char)> {
    let id = task.file_name()?.to_str()?;
    let stat = fs::read_to_string(task.join("stat")).ok()?;
    // `4242 (a name) S ...`: the name may have spaces and parentheses.
    let (before, after) = stat.rsplit_once(')')?;
    let name = before.split_once('(')?.1.to_owned();
    Some((name, id, after.trim_start().chars().next()?))
}

/// proc_pid_stat(5), field 3.
fn state_name(letter: char) -> &'static str {
    match letter {
        'R' => "running",
        'S' => "sleeping",
        'D' => "waiting for a disk",
        'T' | 't' => "stopped",
        'Z' | 'X' => "dead",
        _ => "in another state",
    }
}
