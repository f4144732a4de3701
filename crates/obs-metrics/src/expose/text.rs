//! The two text formats: Prometheus 0.0.4 and OpenMetrics 1.0.

use std::time::Duration;

use super::format::Format;
use super::number::Number;
use super::number::{push_float, push_integer};
use super::writer::Expose;
use crate::descriptor::Descriptor;
use crate::exemplar::Exemplar;
use crate::kind::Kind;
use crate::metric::snapshot::HistogramSnapshot;

/// Writes text into a buffer that may be used again.
#[derive(Debug)]
pub(crate) struct Text<'a> {
    out: &'a mut Vec<u8>,
    format: Format,
    /// What the lines of a histogram's buckets, or of a counter, begin with.
    scratch: Vec<u8>,
    created: Option<Duration>,
}

impl<'a> Text<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>, format: Format) -> Self {
        Self { out, format, scratch: Vec::with_capacity(512), created: None }
    }

    /// `name_suffix{labels} `
    fn series(&mut self, name: &str, suffix: &str, labels: &str) {
        // One check instead of one a piece; the rest is for punctuation and the number.
        self.out.reserve(name.len() + suffix.len() + labels.len() + 32);
        self.out.extend_from_slice(name.as_bytes());
        if !suffix.is_empty() {
            self.out.extend_from_slice(suffix.as_bytes());
        }
        if !labels.is_empty() {
            self.out.push(b'{');
            self.out.extend_from_slice(labels.as_bytes());
            self.out.push(b'}');
        }
        self.out.push(b' ');
    }

    /// `name{labels} 1`, the name as the family began: nearly all lines of a large scrape.
    fn integer(&mut self, labels: &str, value: u64) {
        self.out.reserve(self.scratch.len() + labels.len() + 24);
        self.out.extend_from_slice(&self.scratch);
        self.out.extend_from_slice(labels.as_bytes());
        if value < 10 {
            self.out.extend_from_slice(&[b'}', b' ', b'0' + value as u8]);
        } else {
            self.out.extend_from_slice(b"} ");
            push_integer(self.out, value);
        }
    }

    /// ` # {trace_id="…",span_id="…"} value time`: 63 of the 128 characters that a label set may have
    /// (OpenMetrics 1.0, "Exemplars").
    fn exemplar(&mut self, exemplar: Option<Exemplar>) {
        let Some(exemplar) = exemplar.filter(|_| self.format == Format::OpenMetrics) else {
            return;
        };
        self.out.extend_from_slice(b" # {trace_id=\"");
        self.out.extend_from_slice(&exemplar.trace_id.hex());
        self.out.extend_from_slice(b"\",span_id=\"");
        self.out.extend_from_slice(&exemplar.span_id.hex());
        self.out.extend_from_slice(b"\"} ");
        push_float(self.out, exemplar.value);
        self.out.push(b' ');
        push_float(self.out, exemplar.time.as_secs_f64());
    }

    /// `name_created{labels} time`, at the end of a series.
    fn write_created(&mut self, family: &Descriptor, labels: &str) {
        if let Some(created) = self.created.filter(|_| self.format == Format::OpenMetrics) {
            self.series(family.base(), "_created", labels);
            push_float(self.out, created.as_secs_f64());
            self.end_of_line();
        }
    }

    /// A sum counts for OpenMetrics: "If buckets with negative thresholds exist, the sum must not be
    /// there", and it must be neither negative nor NaN (OpenMetrics 1.0, "Histogram", "Summary").
    fn allows_sum(&self, sum: f64, has_negative_bounds: bool) -> bool {
        self.format != Format::OpenMetrics || !has_negative_bounds && sum >= 0.0
    }

    fn end_of_line(&mut self) {
        self.out.push(b'\n');
    }
}

impl Expose for Text<'_> {
    fn family(&mut self, family: &Descriptor) {
        let head = match self.format {
            Format::OpenMetrics => &family.openmetrics_head,
            _ => &family.classic_head,
        };
        self.out.extend_from_slice(head.as_bytes());
        if family.kind == Kind::Counter {
            self.scratch.clear();
            self.scratch.extend_from_slice(family.name.as_bytes());
            self.scratch.push(b'{');
        }
    }

    fn created(&mut self, created: Option<Duration>) {
        self.created = created;
    }

    fn counter(
        &mut self,
        family: &Descriptor,
        labels: &str,
        value: Number,
        exemplar: Option<Exemplar>,
    ) {
        match value {
            Number::Integer(value) if !labels.is_empty() => self.integer(labels, value),
            value => {
                self.series(&family.name, "", labels);
                value.push(self.out);
            }
        }
        self.exemplar(exemplar);
        self.end_of_line();
        self.write_created(family, labels);
    }

    fn gauge(&mut self, family: &Descriptor, labels: &str, value: f64) {
        self.series(&family.name, "", labels);
        push_float(self.out, value);
        self.end_of_line();
    }

    fn histogram(&mut self, family: &Descriptor, labels: &str, histogram: &HistogramSnapshot<'_>) {
        let sum = histogram.sum();
        let mut count = 0;
        self.scratch.clear();
        self.scratch.extend_from_slice(family.name.as_bytes());
        self.scratch.extend_from_slice(b"_bucket{");
        if !labels.is_empty() {
            self.scratch.extend_from_slice(labels.as_bytes());
            self.scratch.push(b',');
        }
        let le = histogram.bounds().le.iter();
        for (bucket, (le, in_bucket)) in le.zip(histogram.counts()).enumerate() {
            count += in_bucket;
            self.out.reserve(self.scratch.len() + le.len() + 24);
            self.out.extend_from_slice(&self.scratch);
            self.out.extend_from_slice(le.as_bytes());
            push_integer(self.out, count);
            self.exemplar(histogram.exemplar(bucket));
            self.end_of_line();
        }
        let has_negative_bounds =
            histogram.bounds().bounds.first().is_some_and(|first| *first < 0.0);
        // There is a count "if and only if a Sum Value is present" (OpenMetrics 1.0, "Histogram"); the last
        // bucket tells it, too.
        if self.allows_sum(sum, has_negative_bounds) {
            self.series(&family.name, "_sum", labels);
            push_float(self.out, sum);
            self.end_of_line();
            self.series(&family.name, "_count", labels);
            push_integer(self.out, count);
            self.end_of_line();
        }
        self.write_created(family, labels);
    }

    #[cfg(feature = "prometheus-client")]
    fn may_show_sum(&self, sum: f64, has_negative_bounds: bool) -> bool {
        self.allows_sum(sum, has_negative_bounds)
    }

    fn sample(
        &mut self,
        family: &Descriptor,
        suffix: &str,
        labels: &str,
        value: Number,
        exemplar: Option<&str>,
    ) {
        let sum = if suffix == "_sum" { value.as_float() } else { 0.0 };
        if !self.allows_sum(sum, false) {
            return;
        }
        self.series(family.base(), suffix, labels);
        value.push(self.out);
        if let Some(exemplar) = exemplar.filter(|_| self.format == Format::OpenMetrics) {
            self.out.extend_from_slice(b" # ");
            self.out.extend_from_slice(exemplar.as_bytes());
        }
        self.end_of_line();
        if family.kind == Kind::Summary && suffix == "_count" {
            self.write_created(family, labels);
        }
    }
}
