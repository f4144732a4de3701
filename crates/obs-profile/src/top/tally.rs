//! How often functions were at work, lately and since the beginning.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use obs_profiling::Profile;

#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    functions: HashMap<String, Counts>,
    runtime: HashSet<String>,
    /// Samples of the last view.
    pub(crate) lately: u64,
    /// How long it took.
    pub(crate) window: Duration,
    /// Samples since the beginning.
    pub(crate) all: u64,
    pub(crate) truncated: u64,
    pub(crate) lost: u64,
    period: Duration,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    lately: (u64, u64),
    all: (u64, u64),
}

/// A function; shares are of the last view's samples, times since the beginning.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) function: String,
    pub(crate) own_share: f64,
    pub(crate) total_share: f64,
    pub(crate) own_time: Duration,
    pub(crate) total_time: Duration,
    /// The async runtime's or the standard library's.
    pub(crate) is_runtime: bool,
}

/// The greatest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    OwnShare,
    TotalShare,
    OwnTime,
    TotalTime,
}

impl Tally {
    pub(crate) fn add(&mut self, profile: &Profile) {
        for counts in self.functions.values_mut() {
            counts.lately = (0, 0);
        }
        for (function, own, total) in profile.functions() {
            let counts = self.functions.entry(function).or_default();
            counts.lately = (own, total);
            counts.all = (counts.all.0 + own, counts.all.1 + total);
        }
        let frames = profile.samples.iter().flat_map(|sample| &sample.stack.frames);
        for frame in frames.filter(|frame| frame.is_runtime()) {
            if !self.runtime.contains(&*frame.function) {
                self.runtime.insert(frame.function.to_string());
            }
        }
        self.lately = profile.total();
        self.window = profile.lasted;
        self.all += self.lately;
        self.truncated += profile.truncated();
        self.lost += profile.lost;
        self.period = profile.period;
    }

    /// How many there are.
    pub(crate) fn functions(&self) -> usize {
        self.functions.len()
    }

    pub(crate) fn rows(&self, order: Order) -> Vec<Row> {
        let share = |count: u64| count as f64 / self.lately.max(1) as f64;
        let time = |count: u64| self.period.mul_f64(count as f64);
        let row = |(function, counts): (&String, &Counts)| Row {
            function: function.clone(),
            own_share: share(counts.lately.0),
            total_share: share(counts.lately.1),
            own_time: time(counts.all.0),
            total_time: time(counts.all.1),
            is_runtime: self.runtime.contains(function),
        };
        let mut rows: Vec<Row> = self.functions.iter().map(row).collect();
        let key = |row: &Row| match order {
            Order::OwnShare => (row.own_share, row.total_share),
            Order::TotalShare => (row.total_share, row.own_share),
            Order::OwnTime => (row.own_time.as_secs_f64(), row.total_time.as_secs_f64()),
            Order::TotalTime => (row.total_time.as_secs_f64(), row.own_time.as_secs_f64()),
        };
        rows.sort_by(|one, other| {
            let (this, that) = (key(one), key(other));
            let greatest = that.0.total_cmp(&this.0);
            // Of as much, the program's own say more.
            let own = greatest.then(one.is_runtime.cmp(&other.is_runtime));
            own.then(that.1.total_cmp(&this.1)).then_with(|| one.function.cmp(&other.function))
        });
        rows
    }
}

#[cfg(test)]
impl Tally {
    /// Of a hundred samples at 100 Hz: functions with their own and their total count.
    pub(crate) fn of_counts(counts: &[(&str, u64, u64)]) -> Self {
        let functions = counts.iter().map(|(name, own, total)| {
            let counts = Counts { lately: (*own, *total), all: (*own, *total) };
            ((*name).to_owned(), counts)
        });
        Self {
            functions: functions.collect(),
            lately: 100,
            all: 100,
            period: Duration::from_millis(10),
            ..Self::default()
        }
    }
}
