//! One series: its labels and its number.

use std::time::Duration;

use super::Labels;
use crate::exemplar::milliseconds_now;

/// One series: its labels and its number.
#[derive(Debug)]
pub(crate) struct Series<C> {
    labels: Labels,
    /// Milliseconds since the epoch.
    born: u64,
    core: C,
}

impl<C> Series<C> {
    pub(crate) fn new(labels: Labels, core: C) -> Self {
        Self { labels, born: milliseconds_now(), core }
    }

    /// When the series was made, since the epoch.
    pub(crate) fn born(&self) -> Duration {
        Duration::from_millis(self.born)
    }

    pub(crate) fn labels(&self) -> &Labels {
        &self.labels
    }

    #[inline]
    pub(crate) fn core(&self) -> &C {
        &self.core
    }
}
