//! CPU time in the kernel, where that may not be sampled.

use std::time::Duration;

use crate::attach::{threads, tree};

/// Up to the last call of [`LeftOut::take`], and up to now.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LeftOut {
    Nothing,
    Kernel { of: Whose, reported: Duration, seen: Duration },
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Whose {
    Process(i32),
    /// And of those that it has started.
    Tree(i32),
}

impl LeftOut {
    pub(crate) fn of(of: Whose) -> Self {
        let before = of.system_time();
        Self::Kernel { of, reported: before, seen: before }
    }

    /// A process that has ended keeps what was seen of it.
    pub(crate) fn refresh(&mut self) {
        if let Self::Kernel { of, seen, .. } = self {
            *seen = of.system_time().max(*seen);
        }
    }

    pub(crate) fn take(&mut self) -> Duration {
        match self {
            Self::Nothing => Duration::ZERO,
            Self::Kernel { reported, seen, .. } => {
                let left_out = seen.saturating_sub(*reported);
                *reported = *seen;
                left_out
            }
        }
    }
}

impl Whose {
    fn system_time(self) -> Duration {
        match self {
            Self::Process(pid) => threads::system_time(pid).unwrap_or_default().own,
            // Who has ended and was waited for is in its parent's.
            Self::Tree(pid) => {
                let times = tree::of(pid).into_iter().filter_map(threads::system_time);
                times.map(|time| time.own + time.of_ended_children).sum()
            }
        }
    }
}
