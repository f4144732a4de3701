//! The samples of one source at one scrape.

use std::ops::Range;

use obs_context::{Sample, SampleKind};

/// Samples, copied so that they outlive the call of the source. Its memory is used again.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    samples: Vec<OwnedSample>,
    labels: Vec<(&'static str, Range<usize>)>,
    /// The values of all labels.
    values: String,
    /// Whether a foreign registry has written text in place of samples.
    pub(crate) is_foreign: bool,
    pub(crate) text: String,
    /// Whether the text stops before its end.
    pub(crate) is_truncated: bool,
}

#[derive(Debug)]
struct OwnedSample {
    name: &'static str,
    help: &'static str,
    kind: SampleKind,
    labels: Range<usize>,
    value: f64,
}

/// One sample of a [`Batch`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchSample<'a> {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) kind: SampleKind,
    pub(crate) value: f64,
    labels: &'a [(&'static str, Range<usize>)],
    values: &'a str,
}

impl Batch {
    pub(crate) fn clear(&mut self) {
        self.samples.clear();
        self.labels.clear();
        self.values.clear();
        self.text.clear();
        self.is_truncated = false;
    }

    pub(crate) fn push(&mut self, sample: &Sample<'_>) {
        let first = self.labels.len();
        for (name, value) in sample.labels {
            let start = self.values.len();
            self.values.push_str(value);
            self.labels.push((name, start..self.values.len()));
        }
        let Sample { name, help, kind, value, .. } = *sample;
        let labels = first..self.labels.len();
        self.samples.push(OwnedSample { name, help, kind, labels, value });
    }

    pub(crate) fn samples(&self) -> impl Iterator<Item = BatchSample<'_>> {
        self.samples.iter().map(|copied| BatchSample {
            name: copied.name,
            help: copied.help,
            kind: copied.kind,
            value: copied.value,
            labels: self.labels.get(copied.labels.clone()).unwrap_or_default(),
            values: &self.values,
        })
    }
}

impl<'a> BatchSample<'a> {
    /// A counter is neither negative nor NaN: strict parsers of OpenMetrics refuse the whole scrape.
    pub(crate) fn is_valid(&self) -> bool {
        self.kind != SampleKind::Counter || self.value >= 0.0
    }

    pub(crate) fn labels(&self) -> impl Iterator<Item = (&'static str, &'a str)> + use<'a> {
        let values = self.values;
        self.labels.iter().map(|(name, range)| (*name, &values[range.clone()]))
    }
}
