//! Metric series, from a scrape or a push.

use obs_context::{SpanId, TraceId};
use serde::Serialize;

use super::{as_text, optional_text};

/// What names a series: its family, its own name and its labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Series {
    /// The family's name, such as `http_request_duration_seconds`.
    pub family: Box<str>,
    /// The sample's name, such as `http_request_duration_seconds_bucket`.
    pub name: Box<str>,
    /// Its labels, in the order of the exposition.
    pub labels: Vec<(Box<str>, Box<str>)>,
    /// Whether its value only grows.
    pub kind: SeriesKind,
}

impl Series {
    /// The value of this label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| **label == *name).map(|(_, value)| &**value)
    }

    /// About how many bytes of memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        let labels: usize =
            self.labels.iter().map(|(name, value)| 64 + name.len() + value.len()).sum();
        size_of::<Self>() + self.family.len() + self.name.len() + labels
    }
}

/// How a series' value moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SeriesKind {
    /// Grows from zero: counters, and the counts, sums and buckets of histograms.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// The description of a metric family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// Its name.
    pub name: Box<str>,
    /// What kind of metric it is.
    pub kind: FamilyKind,
    /// The unit of its values; empty where none is told.
    pub unit: Box<str>,
    /// What it measures, cut at 512 bytes; empty where nothing is told.
    pub help: Box<str>,
}

/// A kind of metric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FamilyKind {
    /// Only grows.
    Counter,
    /// Goes up and down; also what names no kind.
    #[default]
    Gauge,
    /// Counts by buckets.
    Histogram,
    /// Quantiles, made by the service.
    Summary,
}

impl Family {
    /// Longer texts are truncated.
    const MAX_TEXT_BYTES: usize = 512;

    /// A family of this name of which nothing is known.
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), kind: FamilyKind::default(), unit: "".into(), help: "".into() }
    }

    /// This text, cut at 512 bytes.
    pub(crate) fn truncated(text: &str) -> Box<str> {
        let end =
            (0..=text.len().min(Self::MAX_TEXT_BYTES)).rev().find(|at| text.is_char_boundary(*at));
        text.get(..end.unwrap_or(0)).unwrap_or_default().into()
    }

    /// About how many bytes of memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + 96 + 2 * self.name.len() + self.unit.len() + self.help.len()
    }
}

/// How a service's metrics arrive. The two are never mixed: a scrape says nothing of
/// pushed series, and the reverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricSource {
    /// The console asked for all of them.
    Scrape,
    /// The service sent them.
    Push,
}

/// One value of one series at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// Which series.
    pub series: Series,
    /// Its value.
    pub value: f64,
    /// Whether `value` is an increase since the last observation and no total.
    pub is_delta: bool,
    /// The trace that stands as an example for it.
    pub exemplar: Option<Exemplar>,
}

/// A single measurement, kept with the trace that it was made in.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Exemplar {
    /// The trace.
    #[serde(serialize_with = "as_text")]
    pub trace_id: TraceId,
    /// The span in it.
    #[serde(serialize_with = "optional_text")]
    pub span_id: Option<SpanId>,
    /// What was measured.
    pub value: f64,
    /// When, in seconds of Unix time, where it is told.
    pub timestamp: Option<f64>,
}
