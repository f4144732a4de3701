//! The exposition formats.

#[cfg(feature = "http")]
mod negotiate;
mod number;
#[cfg(feature = "prometheus-client")]
mod owned;
mod text;

use crate::descriptor::Descriptor;
use crate::exemplar::Exemplar;
use crate::metric::Snapshot;

#[cfg(feature = "gzip")]
pub(crate) use negotiate::accepts_coding;
#[cfg(feature = "http")]
pub(crate) use negotiate::negotiate;
pub(crate) use number::{Number, le, quantile_label};
#[cfg(feature = "prometheus-client")]
pub(crate) use owned::{Owned, OwnedValue};
pub(crate) use text::{Flavour, Text, escape_help};

/// What writes series in one of the formats.
pub(crate) trait Expose {
    /// Begins a family; its series follow.
    fn family(&mut self, family: &Descriptor);

    fn counter(
        &mut self,
        family: &Descriptor,
        labels: &str,
        value: Number,
        exemplar: Option<Exemplar>,
    );

    fn gauge(&mut self, family: &Descriptor, labels: &str, value: f64);

    fn histogram(&mut self, family: &Descriptor, labels: &str, histogram: &Snapshot<'_>);

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
