//! The protobuf format: `io.prometheus.client.MetricFamily`, each after its length.
//!
//! The field numbers are those of prometheus/client_model's `metrics.proto`. It is the one format that
//! carries native histograms.

use std::collections::BTreeMap;
use std::time::Duration;

use super::number::Number;
use super::wire::Message;
use super::writer::Expose;
use crate::descriptor::Descriptor;
use crate::exemplar::Exemplar;
use crate::family::{LabelPairs, parse_block};
use crate::kind::Kind;
use crate::metric::native::{NativeBuckets, ZERO_THRESHOLD};
use crate::metric::snapshot::HistogramSnapshot;

/// Writes protobuf into a buffer that may be used again.
#[derive(Debug)]
pub(crate) struct Protobuf<'a> {
    out: &'a mut Vec<u8>,
    family: Option<Message>,
    /// Summaries and histograms that come line by line.
    lines: Vec<(Vec<(String, String)>, SeriesLines)>,
    is_histogram: bool,
    created: Option<Duration>,
    /// To be used again for each series.
    metric: Message,
    label: Message,
}

/// The lines of one series: bounds or quantiles with their numbers, sum and count.
#[derive(Debug, Default)]
struct SeriesLines {
    points: Vec<(f64, f64)>,
    sum: f64,
    count: f64,
    created: Option<Duration>,
}

impl<'a> Protobuf<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        Self {
            out,
            family: None,
            lines: Vec::new(),
            is_histogram: false,
            created: None,
            metric: Message::default(),
            label: Message::default(),
        }
    }

    /// Writes what is left.
    pub(crate) fn finish(&mut self) {
        for (labels, lines) in std::mem::take(&mut self.lines) {
            let mut value = Message::default();
            value.unsigned(1, lines.count as u64);
            value.double(2, lines.sum);
            for (at, number) in lines.points {
                let mut point = Message::default();
                if self.is_histogram {
                    point.unsigned(1, number as u64);
                    point.double(2, at);
                } else {
                    point.double(1, at);
                    point.double(2, number);
                }
                value.message(3, &point);
            }
            let field = if self.is_histogram { 7 } else { 4 };
            if let Some(created) = lines.created.filter(|_| !self.is_histogram) {
                value.message(4, &timestamp(created));
            }
            self.metric(labels.iter().map(|(name, text)| (name, text)), field, &value);
        }
        if let Some(family) = self.family.take() {
            family.write_delimited(self.out);
        }
    }

    /// When the series began, as a `google.protobuf.Timestamp` in this field.
    fn push_created(&self, value: &mut Message, field: u32) {
        if let Some(created) = self.created {
            value.message(field, &timestamp(created));
        }
    }

    fn metric<V: AsRef<str>>(
        &mut self,
        labels: impl Iterator<Item = (impl AsRef<str>, V)>,
        field: u32,
        value: &Message,
    ) {
        self.metric.clear();
        for (name, value) in labels {
            self.label.clear();
            self.label.string(1, name.as_ref());
            self.label.string(2, value.as_ref());
            self.metric.message(1, &self.label);
        }
        self.metric.message(field, value);
        if let Some(family) = &mut self.family {
            family.message(4, &self.metric);
        }
    }
}

impl Expose for Protobuf<'_> {
    fn family(&mut self, family: &Descriptor) {
        self.finish();
        self.is_histogram = family.kind == Kind::Histogram;
        let mut message = Message::default();
        message.string(1, &family.name);
        message.string(2, &family.help);
        message.unsigned(3, kind(family.kind));
        self.family = Some(message);
    }

    fn created(&mut self, created: Option<Duration>) {
        self.created = created;
    }

    fn counter(&mut self, _: &Descriptor, labels: &str, value: Number, exemplar: Option<Exemplar>) {
        let mut counter = Message::default();
        counter.double(1, value.as_float());
        if let Some(exemplar) = exemplar {
            counter.message(2, &exemplar_message(&exemplar));
        }
        self.push_created(&mut counter, 3);
        self.metric(LabelPairs(labels), 3, &counter);
    }

    fn gauge(&mut self, _: &Descriptor, labels: &str, value: f64) {
        let mut gauge = Message::default();
        gauge.double(1, value);
        self.metric(LabelPairs(labels), 2, &gauge);
    }

    fn histogram(&mut self, _: &Descriptor, labels: &str, histogram: &HistogramSnapshot<'_>) {
        let mut buckets = Message::default();
        let mut count = 0;
        let bounds = histogram.bounds().bounds.iter().copied().chain([f64::INFINITY]);
        for (at, (bound, in_bucket)) in bounds.zip(histogram.counts()).enumerate() {
            count += in_bucket;
            let mut bucket = Message::default();
            bucket.unsigned(1, count);
            bucket.double(2, bound);
            if let Some(exemplar) = histogram.exemplar(at) {
                bucket.message(3, &exemplar_message(&exemplar));
            }
            buckets.message(3, &bucket);
        }
        let native = histogram.native();
        let mut message = Message::default();
        message.unsigned(1, native.map_or(count, NativeBuckets::count));
        message.double(2, native.map_or_else(|| histogram.sum(), |native| native.sum));
        message.append(&buckets);
        if let Some(native) = native {
            push_native(&mut message, native);
        }
        self.push_created(&mut message, 15);
        self.metric(LabelPairs(labels), 7, &message);
    }

    fn sample(
        &mut self,
        family: &Descriptor,
        suffix: &str,
        labels: &str,
        value: Number,
        _: Option<&str>,
    ) {
        let point = match family.kind {
            Kind::Summary => "quantile",
            Kind::Histogram => "le",
            Kind::Counter => return self.counter(family, labels, value, None),
            #[cfg(feature = "prometheus-client")]
            Kind::Unknown => {
                let mut untyped = Message::default();
                untyped.double(1, value.as_float());
                return self.metric(LabelPairs(labels), 5, &untyped);
            }
            _ => return self.gauge(family, labels, value.as_float()),
        };
        let mut pairs = Vec::new();
        let mut at = None;
        for (name, value) in parse_block(labels) {
            if name == point && !matches!(suffix, "_sum" | "_count") {
                at = value.parse().ok();
            } else {
                pairs.push((name.to_owned(), value));
            }
        }
        let known = self.lines.iter().position(|(labels, _)| *labels == pairs);
        let known = known.unwrap_or_else(|| {
            self.lines
                .push((pairs, SeriesLines { created: self.created, ..SeriesLines::default() }));
            self.lines.len() - 1
        });
        let Some((_, lines)) = self.lines.get_mut(known) else { return };
        match (suffix, at) {
            ("_sum", _) => lines.sum = value.as_float(),
            ("_count", _) => lines.count = value.as_float(),
            (_, Some(at)) => lines.points.push((at, value.as_float())),
            _ => {}
        }
    }
}

fn kind(kind: Kind) -> u64 {
    match kind {
        Kind::Counter => 0,
        Kind::Gauge | Kind::Info | Kind::StateSet => 1,
        Kind::Summary => 2,
        #[cfg(feature = "prometheus-client")]
        Kind::Unknown => 3,
        Kind::Histogram => 4,
    }
}

fn label(name: &str, value: &str) -> Message {
    let mut label = Message::default();
    label.string(1, name);
    label.string(2, value);
    label
}

fn exemplar_message(exemplar: &Exemplar) -> Message {
    let mut message = Message::default();
    let (trace, span) = (exemplar.trace_id.hex(), exemplar.span_id.hex());
    message.message(1, &label("trace_id", std::str::from_utf8(&trace).unwrap_or_default()));
    message.message(1, &label("span_id", std::str::from_utf8(&span).unwrap_or_default()));
    message.double(2, exemplar.value);
    message.message(3, &timestamp(exemplar.time));
    message
}

fn timestamp(time: Duration) -> Message {
    let mut message = Message::default();
    message.unsigned(1, time.as_secs());
    message.unsigned(2, u64::from(time.subsec_nanos()));
    message
}

fn push_native(message: &mut Message, native: &NativeBuckets) {
    message.signed(5, i64::from(native.schema));
    message.double(6, ZERO_THRESHOLD);
    message.unsigned(7, native.zero);
    push_buckets(message, 9, &native.negative);
    push_buckets(message, 12, &native.positive);
    if native.count() == native.zero {
        // What tells an empty native histogram from a classic one: a span of no length.
        let mut span = Message::default();
        span.signed(1, 0);
        span.unsigned(2, 0);
        message.message(12, &span);
    }
}

/// The spans of buckets that follow one another in `field`, and after it the difference of each bucket
/// to the one before.
fn push_buckets(message: &mut Message, field: u32, buckets: &BTreeMap<i32, u64>) {
    let mut spans: Vec<(i32, u64)> = Vec::new();
    let mut end = 0;
    for bucket in buckets.keys() {
        match spans.last_mut() {
            Some((_, length)) if *bucket == end => *length += 1,
            _ => spans.push((bucket - end, 1)),
        }
        end = bucket + 1;
    }
    for (offset, length) in spans {
        let mut span = Message::default();
        span.signed(1, i64::from(offset));
        span.unsigned(2, length);
        message.message(field, &span);
    }
    let mut last = 0;
    for count in buckets.values() {
        message.signed(field + 1, (*count as i64).wrapping_sub(last));
        last = *count as i64;
    }
}
