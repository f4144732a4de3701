//! Metric samples from OTLP, as the series that Prometheus would make of them.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    self as otlp, AggregationTemporality, ExponentialHistogramDataPoint, HistogramDataPoint,
    Metric, NumberDataPoint, SummaryDataPoint, exemplar,
};
use serde_json::Value;

use super::ids::{span_id, trace_id};
use super::value::to_json;
use crate::model::{Exemplar, Family, FamilyKind, Observation, Series, SeriesKind};

/// A larger point is skipped: every bucket is a series that repeats all labels.
const MAX_LABELS: usize = 64;
const MAX_LABEL_BYTES: usize = 1_024;
const MAX_BUCKETS: usize = 512;

/// The samples of one metric, and how many points were left out for their size.
pub(super) fn observations(metric: Metric) -> (Vec<Observation>, u64) {
    let mut converter = Converter { family: metric.name, observations: Vec::new(), skipped: 0 };
    match metric.data {
        None => {}
        Some(Data::Gauge(gauge)) => converter.numbers(gauge.data_points, SeriesKind::Gauge, false),
        Some(Data::Sum(sum)) => {
            let is_delta = is_delta(sum.aggregation_temporality);
            let kind = if sum.is_monotonic { SeriesKind::Counter } else { SeriesKind::Gauge };
            converter.numbers(sum.data_points, kind, is_delta);
        }
        Some(Data::Histogram(histogram)) => {
            let is_delta = is_delta(histogram.aggregation_temporality);
            for point in histogram.data_points {
                converter.histogram(point, is_delta);
            }
        }
        Some(Data::ExponentialHistogram(histogram)) => {
            let is_delta = is_delta(histogram.aggregation_temporality);
            for point in histogram.data_points {
                match to_explicit_buckets(point) {
                    Some(point) => converter.histogram(point, is_delta),
                    None => converter.skipped += 1,
                }
            }
        }
        Some(Data::Summary(summary)) => {
            for point in summary.data_points {
                converter.summary(point);
            }
        }
    }
    (converter.observations, converter.skipped)
}

/// What a metric tells of its family.
pub(super) fn family(metric: &Metric) -> Family {
    let kind = match &metric.data {
        Some(Data::Sum(sum)) if sum.is_monotonic => FamilyKind::Counter,
        Some(Data::Histogram(_) | Data::ExponentialHistogram(_)) => FamilyKind::Histogram,
        Some(Data::Summary(_)) => FamilyKind::Summary,
        _ => FamilyKind::Gauge,
    };
    Family {
        name: metric.name.as_str().into(),
        kind,
        unit: Family::truncated(&metric.unit),
        help: Family::truncated(&metric.description),
    }
}

type Labels = Vec<(Box<str>, Box<str>)>;

struct Converter {
    family: String,
    observations: Vec<Observation>,
    skipped: u64,
}

impl Converter {
    fn numbers(&mut self, points: Vec<NumberDataPoint>, kind: SeriesKind, is_delta: bool) {
        for point in points {
            let Some(labels) = self.labels(point.attributes) else { continue };
            let value = match point.value {
                Some(Number::AsDouble(value)) => value,
                Some(Number::AsInt(value)) => value as f64,
                None => {
                    self.skipped += 1;
                    continue;
                }
            };
            let exemplar = point.exemplars.into_iter().rev().find_map(exemplar);
            self.push("", labels, kind, value, is_delta, exemplar);
        }
    }

    fn histogram(&mut self, point: HistogramDataPoint, is_delta: bool) {
        if point.bucket_counts.len() > MAX_BUCKETS {
            self.skipped += 1;
            return;
        }
        let Some(labels) = self.labels(point.attributes.clone()) else { return };
        let exemplars: Vec<Exemplar> = point.exemplars.into_iter().filter_map(exemplar).collect();
        let mut total = 0_u64;
        let mut lower = f64::NEG_INFINITY;
        for (at, count) in point.bucket_counts.iter().enumerate() {
            total = total.saturating_add(*count);
            let bound = point.explicit_bounds.get(at).copied().unwrap_or(f64::INFINITY);
            let le = if bound.is_infinite() { String::from("+Inf") } else { bound.to_string() };
            let mut labels = labels.clone();
            labels.push(("le".into(), le.into()));
            let inside = |one: &&Exemplar| one.value > lower && one.value <= bound;
            let exemplar = exemplars.iter().rev().find(inside).copied();
            self.push("_bucket", labels, SeriesKind::Counter, total as f64, is_delta, exemplar);
            lower = bound;
        }
        self.count_and_sum(point.attributes, point.count, point.sum, is_delta, None);
    }

    fn summary(&mut self, point: SummaryDataPoint) {
        if point.quantile_values.len() > MAX_BUCKETS {
            self.skipped += 1;
            return;
        }
        let Some(labels) = self.labels(point.attributes.clone()) else { return };
        for at in point.quantile_values {
            let mut labels = labels.clone();
            labels.push(("quantile".into(), at.quantile.to_string().into()));
            self.push("", labels, SeriesKind::Gauge, at.value, false, None);
        }
        self.count_and_sum(point.attributes, point.count, Some(point.sum), false, None);
    }

    fn count_and_sum(
        &mut self,
        attributes: Vec<KeyValue>,
        count: u64,
        sum: Option<f64>,
        is_delta: bool,
        exemplar: Option<Exemplar>,
    ) {
        let Some(labels) = self.labels(attributes) else { return };
        if let Some(sum) = sum {
            self.push("_sum", labels.clone(), SeriesKind::Counter, sum, is_delta, None);
        }
        self.push("_count", labels, SeriesKind::Counter, count as f64, is_delta, exemplar);
    }

    fn push(
        &mut self,
        suffix: &str,
        labels: Labels,
        kind: SeriesKind,
        value: f64,
        is_delta: bool,
        exemplar: Option<Exemplar>,
    ) {
        let name = format!("{}{suffix}", self.family).into();
        let series = Series { family: self.family.as_str().into(), name, labels, kind };
        self.observations.push(Observation { series, value, is_delta, exemplar });
    }

    /// The point's attributes as labels, in a fixed order; `None`, counted, where they are too large.
    fn labels(&mut self, attributes: Vec<KeyValue>) -> Option<Labels> {
        let mut labels: Labels = Vec::with_capacity(attributes.len().min(MAX_LABELS));
        let too_many = attributes.len() > MAX_LABELS || self.family.len() > MAX_LABEL_BYTES;
        for pair in attributes.into_iter().take(MAX_LABELS) {
            let value = match to_json(pair.value) {
                Value::String(text) => text,
                value => value.to_string(),
            };
            labels.push((pair.key.into(), value.into()));
        }
        let too_long =
            |(name, value): &(Box<str>, Box<str>)| name.len() + value.len() > MAX_LABEL_BYTES;
        if too_many || labels.iter().any(too_long) {
            self.skipped += 1;
            return None;
        }
        labels.sort();
        Some(labels)
    }
}

/// The same point with explicit bounds: bucket `i` of an exponential histogram ends at
/// `2^((offset + i + 1) / 2^scale)` (OpenTelemetry metrics data model, "ExponentialHistogram"). `None`
/// where it has more buckets than are kept.
fn to_explicit_buckets(point: ExponentialHistogramDataPoint) -> Option<HistogramDataPoint> {
    let (negative, positive) =
        (point.negative.unwrap_or_default(), point.positive.unwrap_or_default());
    if negative.bucket_counts.len() + positive.bucket_counts.len() > MAX_BUCKETS - 2 {
        return None;
    }
    let width = f64::from(-point.scale).exp2();
    let edge =
        |buckets: &Buckets, at: usize| ((f64::from(buckets.offset) + at as f64) * width).exp2();
    let mut bounds = Vec::new();
    let mut counts = Vec::new();
    // From the lowest value up: the largest magnitude of the negative ones first.
    for (at, count) in negative.bucket_counts.iter().enumerate().rev() {
        bounds.push(-edge(&negative, at));
        counts.push(*count);
    }
    bounds.push(point.zero_threshold);
    counts.push(point.zero_count);
    for (at, count) in positive.bucket_counts.iter().enumerate() {
        bounds.push(edge(&positive, at + 1));
        counts.push(*count);
    }
    counts.push(0);
    Some(HistogramDataPoint {
        attributes: point.attributes,
        start_time_unix_nano: point.start_time_unix_nano,
        time_unix_nano: point.time_unix_nano,
        count: point.count,
        sum: point.sum,
        bucket_counts: counts,
        explicit_bounds: bounds,
        exemplars: point.exemplars,
        flags: point.flags,
        min: point.min,
        max: point.max,
    })
}

fn is_delta(temporality: i32) -> bool {
    temporality == AggregationTemporality::Delta as i32
}

fn exemplar(sent: otlp::Exemplar) -> Option<Exemplar> {
    Some(Exemplar {
        trace_id: trace_id(&sent.trace_id)?,
        span_id: span_id(&sent.span_id),
        value: match sent.value? {
            exemplar::Value::AsDouble(value) => value,
            exemplar::Value::AsInt(value) => value as f64,
        },
        timestamp: (sent.time_unix_nano != 0).then_some(sent.time_unix_nano as f64 / 1e9),
    })
}
