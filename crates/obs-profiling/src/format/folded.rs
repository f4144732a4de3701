//! Folded stacks: `thread;outermost;...;innermost count`; where there are several processes, with
//! `name (pid)` before the thread.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::profile::{Profile, Sample};

pub(super) fn write(profile: &Profile, mut to: impl Write) -> io::Result<()> {
    for (stack, count) in lines(profile) {
        writeln!(to, "{stack} {count}")?;
    }
    to.flush()
}

/// Each stack once, threads of one name together, and processes apart.
pub(super) fn lines(profile: &Profile) -> BTreeMap<String, u64> {
    let with_process = profile.is_of_several();
    let mut lines = BTreeMap::new();
    for sample in &profile.samples {
        *lines.entry(line(sample, with_process)).or_default() += sample.count;
    }
    lines
}

fn line(sample: &Sample, with_process: bool) -> String {
    let mut line = match with_process {
        true => format!("{} ({});", plain(&sample.process), sample.pid),
        false => String::new(),
    };
    line += &plain(&sample.thread);
    if !sample.stack.is_complete {
        line += ";[truncated]";
    }
    for frame in sample.stack.frames.iter().rev() {
        line.push(';');
        line += &plain(&frame.function);
    }
    line
}

/// Without what separates frames and lines.
pub(super) fn plain(name: &str) -> String {
    name.chars()
        .map(|letter| if letter == ';' || letter.is_control() { ':' } else { letter })
        .collect()
}
