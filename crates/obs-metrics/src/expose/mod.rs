//! The exposition formats.

mod common;
#[cfg(feature = "otlp-push")]
mod conventions;
#[cfg(feature = "http")]
mod negotiate;
mod number;
#[cfg(feature = "otlp-push")]
mod otlp;
#[cfg(feature = "prometheus-client")]
mod owned;
mod protobuf;
mod text;
mod wire;

use std::time::Duration;

use crate::descriptor::Descriptor;
use crate::exemplar::Exemplar;
use crate::metric::Snapshot;

pub(crate) use common::WithCommon;
#[cfg(feature = "http")]
pub(crate) use negotiate::coding_quality;
#[cfg(feature = "http")]
pub(crate) use negotiate::negotiate;
pub(crate) use number::{Number, le, quantile_label};
#[cfg(feature = "otlp-push")]
pub(crate) use otlp::Otlp;
#[cfg(feature = "prometheus-client")]
pub(crate) use owned::{Owned, OwnedValue};
pub(crate) use protobuf::Protobuf;
pub(crate) use text::Text;

/// Which of the formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// Text format 0.0.4: no exemplars, no units, no end mark.
    Classic,
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Protobuf, delimited.
    Protobuf,
}

/// What writes series in one of the formats.
pub(crate) trait Expose {
    /// Whether it is for a push, not for a scrape.
    fn is_push(&self) -> bool {
        false
    }

    /// Begins a family; its series follow.
    fn family(&mut self, family: &Descriptor);

    /// When the series that follow began, since the epoch, where that is to be shown.
    fn born(&mut self, born: Option<Duration>);

    fn counter(
        &mut self,
        family: &Descriptor,
        labels: &str,
        value: Number,
        exemplar: Option<Exemplar>,
    );

    fn gauge(&mut self, family: &Descriptor, labels: &str, value: f64);

    fn histogram(&mut self, family: &Descriptor, labels: &str, histogram: &Snapshot<'_>);

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
