//! What was sampled: stacks and how often.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::labels::{Labels, SampleFilter};
use crate::stack::Stack;

/// How often each stack was found at work.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Profile {
    /// When it began.
    pub begun: SystemTime,
    /// How long it took.
    pub lasted: Duration,
    /// The CPU time that one sample stands for.
    pub period: Duration,
    /// Each stack of each thread once for each of its labels, the most frequent first.
    pub samples: Vec<Sample>,
    /// Samples that were lost because they came faster than they could be read.
    pub lost: u64,
    /// Samples that are there without their ids, because there were too many different ones to keep.
    pub unlabelled: u64,
    /// Threads that could not be sampled: they block the signal, the system gave no more timers, or they
    /// belong to a process that the first one has started and that is another user's.
    pub unsampled: u64,
    /// CPU time in the kernel that is in no sample, because it may not be sampled here:
    /// `perf_event_paranoid` of 1 or less, or CAP_PERFMON, would allow it. Zero where it was sampled, and
    /// for profiles from inside, whose timers run in the kernel, too.
    pub kernel_left_out: Duration,
}

/// One stack of one thread.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Sample {
    /// The process.
    pub pid: i32,
    /// Its name.
    pub process: Arc<str>,
    /// The thread.
    pub tid: i32,
    /// Its name.
    pub thread: String,
    /// What was at work.
    pub stack: Arc<Stack>,
    /// For whom it was at work.
    pub labels: Labels,
    /// How often it was found.
    pub count: u64,
}

impl Profile {
    /// Whether there are samples of more than one process.
    pub(crate) fn is_of_several(&self) -> bool {
        let mut pids = self.samples.iter().map(|sample| sample.pid);
        let first = pids.next();
        pids.any(|pid| Some(pid) != first)
    }

    /// The same with only the samples that match `filter`.
    #[must_use]
    pub fn filter(mut self, filter: &SampleFilter) -> Self {
        self.samples.retain(|sample| filter.matches(&sample.labels));
        self
    }

    /// How many samples there are.
    pub fn total(&self) -> u64 {
        self.samples.iter().map(|sample| sample.count).sum()
    }

    /// How many samples have a stack that does not reach its thread's beginning.
    pub fn truncated(&self) -> u64 {
        let cut = self.samples.iter().filter(|sample| !sample.stack.is_complete);
        cut.map(|sample| sample.count).sum()
    }

    /// Each function with the samples in which it was innermost, and those in which it was at work at all;
    /// the greatest own share first.
    pub fn functions(&self) -> Vec<(String, u64, u64)> {
        let mut functions: HashMap<&str, (u64, u64)> = HashMap::new();
        for sample in &self.samples {
            let mut names: Vec<&str> =
                sample.stack.frames.iter().map(|frame| &*frame.function).collect();
            if let Some(innermost) = names.first() {
                functions.entry(innermost).or_default().0 += sample.count;
            }
            // A function that calls itself is at work once.
            names.sort_unstable();
            names.dedup();
            for name in names {
                functions.entry(name).or_default().1 += sample.count;
            }
        }
        let mut sorted: Vec<(String, u64, u64)> =
            functions.into_iter().map(|(name, (own, all))| (name.to_owned(), own, all)).collect();
        sorted.sort_by(|one, other| (other.1, other.2, &one.0).cmp(&(one.1, one.2, &other.0)));
        sorted
    }
}
