//! One series: its labels and its number.

use super::Labels;

/// One series: its labels and its number.
#[derive(Debug)]
pub(crate) struct Series<C> {
    labels: Labels,
    core: C,
}

impl<C> Series<C> {
    pub(crate) fn new(labels: Labels, core: C) -> Self {
        Self { labels, core }
    }

    pub(crate) fn labels(&self) -> &Labels {
        &self.labels
    }

    #[inline]
    pub(crate) fn core(&self) -> &C {
        &self.core
    }
}
