//! The threads of a process by the CPU time that they use, as the kernel accounts it.

use std::collections::HashMap;
use std::fs;
use std::time::Instant;

use nix::unistd::{SysconfVar, sysconf};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Thread {
    pub(crate) tid: i32,
    pub(crate) name: String,
    /// Of one processor.
    pub(crate) share: f64,
}

#[derive(Debug)]
pub(crate) struct Threads {
    pid: i32,
    ticks_a_second: f64,
    /// Ticks of each thread when it was last read.
    before: HashMap<i32, u64>,
    read: Instant,
}

impl Threads {
    pub(crate) fn of(pid: i32) -> Self {
        let ticks = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
        let mut threads = Self {
            pid,
            ticks_a_second: ticks.max(1) as f64,
            before: HashMap::new(),
            read: Instant::now(),
        };
        let _ = threads.read();
        threads
    }

    /// What they have used since the last call, the busiest first.
    pub(crate) fn read(&mut self) -> Vec<Thread> {
        let seconds = self.read.elapsed().as_secs_f64().max(1e-3);
        self.read = Instant::now();
        let folder = fs::read_dir(format!("/proc/{}/task", self.pid));
        let tids = folder
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
        let mut now = HashMap::new();
        let mut threads = Vec::new();
        for tid in tids {
            let path = format!("/proc/{}/task/{tid}/stat", self.pid);
            let Some((name, ticks)) = fs::read_to_string(path).ok().as_deref().and_then(parse)
            else {
                continue;
            };
            let used = ticks.saturating_sub(self.before.get(&tid).copied().unwrap_or(0));
            now.insert(tid, ticks);
            threads.push(Thread { tid, name, share: used as f64 / self.ticks_a_second / seconds });
        }
        self.before = now;
        threads
            .sort_by(|one, other| other.share.total_cmp(&one.share).then(one.tid.cmp(&other.tid)));
        threads
    }
}

/// proc_pid_stat(5): the name, and the sum of `utime` and `stime`.
fn parse(stat: &str) -> Option<(String, u64)> {
    // A name may hold brackets and spaces.
    let (before, after) = stat.rsplit_once(')')?;
    let name = before.split_once('(')?.1.replace(char::is_control, "?");
    let mut times = after.split_ascii_whitespace().skip(11);
    let mut time = || times.next()?.parse::<u64>().ok();
    Some((name, time()?.saturating_add(time()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thread_name_with_parentheses_is_parsed() {
        let stat = "12 (a) (b c) S 1 2 3 4 5 6 7 8 9 10 30 12 0 0 20";
        assert_eq!(parse(stat), Some(("a) (b c".to_owned(), 42)));
        assert_eq!(parse("12 (a"), None);
    }
}
