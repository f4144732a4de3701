//! A scrape as plain values, for the formats of others.

use std::time::Duration;

use super::number::Number;
use super::writer::Expose;
use crate::descriptor::Descriptor;
use crate::exemplar::Exemplar;
use crate::kind::Kind;
use crate::metric::snapshot::HistogramSnapshot;

/// One family as plain values.
#[derive(Debug)]
pub(crate) struct OwnedFamily {
    pub(crate) base: String,
    pub(crate) help: String,
    pub(crate) kind: Kind,
    pub(crate) series: Vec<(String, OwnedValue)>,
}

#[derive(Debug)]
pub(crate) enum OwnedValue {
    Counter(Number),
    Gauge(f64),
    /// One line of another type, with the suffix of its name.
    Line(String, Number),
    /// Each bucket with its upper bound and its own count.
    Histogram {
        sum: f64,
        count: u64,
        buckets: Vec<(f64, u64)>,
    },
}

impl OwnedValue {
    pub(crate) fn suffix(&self) -> &str {
        match self {
            Self::Line(suffix, _) => suffix,
            _ => "",
        }
    }
}

/// Gathers a scrape.
#[derive(Debug, Default)]
pub(crate) struct OwnedScrape(pub(crate) Vec<OwnedFamily>);

impl OwnedScrape {
    fn push(&mut self, labels: &str, value: OwnedValue) {
        if let Some(family) = self.0.last_mut() {
            family.series.push((labels.to_owned(), value));
        }
    }
}

impl Expose for OwnedScrape {
    fn family(&mut self, family: &Descriptor) {
        self.0.push(OwnedFamily {
            base: family.base().to_owned(),
            help: family.help.to_string(),
            kind: family.kind,
            series: Vec::new(),
        });
    }

    fn created(&mut self, _: Option<Duration>) {}

    fn counter(&mut self, _: &Descriptor, labels: &str, value: Number, _: Option<Exemplar>) {
        self.push(labels, OwnedValue::Counter(value));
    }

    fn gauge(&mut self, _: &Descriptor, labels: &str, value: f64) {
        self.push(labels, OwnedValue::Gauge(value));
    }

    fn histogram(&mut self, _: &Descriptor, labels: &str, histogram: &HistogramSnapshot<'_>) {
        let bounds = histogram.bounds().bounds.iter().copied().chain([f64::INFINITY]);
        let buckets: Vec<_> = bounds.zip(histogram.counts()).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        self.push(labels, OwnedValue::Histogram { sum: histogram.sum(), count, buckets });
    }

    fn sample(
        &mut self,
        _: &Descriptor,
        suffix: &str,
        labels: &str,
        value: Number,
        _: Option<&str>,
    ) {
        self.push(labels, OwnedValue::Line(suffix.to_owned(), value));
    }
}
