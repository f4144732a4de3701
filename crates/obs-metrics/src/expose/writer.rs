//! The interface of the format writers.

use std::time::Duration;

use super::number::Number;
use crate::descriptor::Descriptor;
use crate::exemplar::Exemplar;
use crate::metric::snapshot::HistogramSnapshot;

/// Writes series in one format.
pub(crate) trait Expose {
    /// Whether it writes for a push, not for a scrape.
    fn is_push(&self) -> bool {
        false
    }

    /// Begins a family; its series follow.
    fn family(&mut self, family: &Descriptor);

    /// When the series that follow were created, since the epoch, where that is shown.
    fn created(&mut self, created: Option<Duration>);

    fn counter(
        &mut self,
        family: &Descriptor,
        labels: &str,
        value: Number,
        exemplar: Option<Exemplar>,
    );

    fn gauge(&mut self, family: &Descriptor, labels: &str, value: f64);

    fn histogram(&mut self, family: &Descriptor, labels: &str, histogram: &HistogramSnapshot<'_>);

    /// Whether the format has a sum that is this, of a histogram with bounds below zero or without. What
    /// does its own histograms leaves such sums out by itself.
    #[cfg(feature = "prometheus-client")]
    fn may_show_sum(&self, _sum: f64, _has_negative_bounds: bool) -> bool {
        true
    }

    /// One line of the other types, and of families that were not made here; the exemplar is text.
    fn sample(
        &mut self,
        family: &Descriptor,
        suffix: &str,
        labels: &str,
        value: Number,
        exemplar: Option<&str>,
    );
}
