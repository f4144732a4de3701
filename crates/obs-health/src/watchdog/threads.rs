//! Every thread's name and state, as the kernel tells them: no signal, no stopping, no symbols.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// Past this many the line would be a book.
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

/// What the threads do and would do, without the one that asks.
pub(crate) struct Load {
    /// Their CPU time.
    pub(crate) used: Duration,
    /// Whether one runs, or waits for a processor.
    pub(crate) wants_more: bool,
}

/// `None` where there is no `/proc`, or its kernel keeps no account.
pub(crate) fn load() -> Option<Load> {
    let mut load = Load { used: Duration::ZERO, wants_more: false };
    for entry in fs::read_dir("/proc/self/task").ok()? {
        let task = entry.ok()?.path();
        // It may have ended meanwhile.
        let Some((name, _, letter)) = name_and_letter(&task) else { continue };
        if name.starts_with("obs-watchdog") {
            continue;
        }
        let account = fs::read_to_string(task.join("schedstat")).ok()?;
        load.used += Duration::from_nanos(account.split(' ').next()?.parse().ok()?);
        load.wants_more |= letter == 'R';
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
    Some(format!("{name} {id} {}{place}", word(letter)))
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
fn word(letter: char) -> &'static str {
    match letter {
        'R' => "running",
        'S' => "sleeping",
        'D' => "waiting for a disk",
        'T' | 't' => "stopped",
        'Z' | 'X' => "dead",
        _ => "in another state",
    }
}
