//! OpenTelemetry's protobuf format: an `ExportMetricsServiceRequest`, for pushing.
//!
//! The field numbers are those of opentelemetry-proto's `metrics/v1/metrics.proto`.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use obs_otlp::Resource;

use super::conventions::Convention;
use super::number::Number;
use super::wire::Message;
use super::writer::Expose;
use crate::descriptor::Descriptor;
use crate::exemplar::Exemplar;
use crate::family::LabelPairs;
use crate::kind::Kind;
use crate::metric::snapshot::HistogramSnapshot;
use crate::names;

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`
const CUMULATIVE_TEMPORALITY: u64 = 2;

/// Writes the metrics of one push.
#[derive(Debug)]
pub(crate) struct Otlp {
    /// When the registry was created; `created` is when the current series was, where that is known.
    start: u64,
    created: Option<u64>,
    now: u64,
    /// `ScopeMetrics`
    scope: Message,
    head: Message,
    /// The points of the family that is being written, by the suffix of their name.
    points: BTreeMap<String, (PointKind, Message)>,
    name: String,
    /// The semantic convention of that family.
    convention: Option<&'static Convention>,
}

#[derive(Clone, Copy, Debug)]
enum PointKind {
    Gauge,
    MonotonicSum,
    /// An UpDownCounter's.
    NonMonotonicSum,
    Histogram,
}

impl Otlp {
    /// Cumulative numbers count from `start`.
    pub(crate) fn new(start: SystemTime) -> Self {
        let mut about = Message::default();
        about.string(1, env!("CARGO_PKG_NAME"));
        about.string(2, env!("CARGO_PKG_VERSION"));
        let mut scope = Message::default();
        scope.message(1, &about);
        Self {
            start: nanoseconds(start.duration_since(UNIX_EPOCH).unwrap_or_default()),
            created: None,
            now: nanoseconds(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()),
            scope,
            head: Message::default(),
            points: BTreeMap::new(),
            name: String::new(),
            convention: None,
        }
    }

    /// The whole request, with these attributes of the resource.
    pub(crate) fn finish(mut self, resource: &Resource) -> Vec<u8> {
        self.end_family();
        let mut metrics = Message::default();
        metrics.bytes(1, &resource.encode());
        metrics.message(2, &self.scope);
        let mut request = Message::default();
        request.message(1, &metrics);
        request.into_bytes()
    }

    fn end_family(&mut self) {
        for (suffix, (data, mut points)) in std::mem::take(&mut self.points) {
            let mut metric = Message::default();
            metric.string(1, &format!("{}{suffix}", self.name));
            metric.append(&self.head);
            let field = match data {
                PointKind::Gauge => 5,
                PointKind::MonotonicSum => {
                    points.unsigned(2, CUMULATIVE_TEMPORALITY);
                    points.unsigned(3, 1);
                    7
                }
                PointKind::NonMonotonicSum => {
                    points.unsigned(2, CUMULATIVE_TEMPORALITY);
                    7
                }
                PointKind::Histogram => {
                    points.unsigned(2, CUMULATIVE_TEMPORALITY);
                    9
                }
            };
            metric.message(field, &points);
            self.scope.message(2, &metric);
        }
    }

    fn push_point(&mut self, suffix: &str, data: PointKind, point: &Message) {
        if !self.points.contains_key(suffix) {
            self.points.insert(suffix.to_owned(), (data, Message::default()));
        }
        if let Some((_, points)) = self.points.get_mut(suffix) {
            points.message(1, point);
        }
    }

    fn push_number(
        &mut self,
        suffix: &str,
        data: PointKind,
        labels: &str,
        value: Number,
        exemplar: Option<Exemplar>,
    ) {
        let mut point = self.new_point();
        match value {
            Number::Integer(value) => point.fixed(6, value),
            Number::Float(value) => point.double(4, value),
        }
        if let Some(exemplar) = exemplar {
            point.message(5, &self::exemplar(&exemplar));
        }
        self.attributes(&mut point, 7, labels);
        self.push_point(suffix, data, &point);
    }

    fn attributes(&self, point: &mut Message, field: u32, labels: &str) {
        for (label, value) in LabelPairs(labels) {
            match self.convention.and_then(|known| known.attribute(label)) {
                None => point.message(field, &attribute(label, &value, false)),
                Some(known) if known.is_absent(&value) => {}
                Some(known) => point.message(field, &attribute(known.key, &value, known.is_int)),
            }
        }
    }

    fn new_point(&self) -> Message {
        let mut point = Message::default();
        point.fixed(2, self.created.unwrap_or(self.start));
        point.fixed(3, self.now);
        point
    }
}

impl Expose for Otlp {
    fn is_push(&self) -> bool {
        true
    }

    fn family(&mut self, family: &Descriptor) {
        self.end_family();
        self.name.clear();
        self.convention = Convention::for_family(family);
        self.name.push_str(self.convention.map_or(family.base(), |known| known.name));
        self.head.clear();
        self.head.string(2, &family.help);
        let unit = match (self.convention, names::unit(family.base())) {
            (Some(known), _) => known.unit,
            (None, Some("seconds")) => "s",
            (None, Some("bytes")) => "By",
            (None, Some("ratio")) => "1",
            _ => return,
        };
        self.head.string(3, unit);
    }

    fn created(&mut self, created: Option<Duration>) {
        self.created = created.map(nanoseconds);
    }

    fn counter(&mut self, _: &Descriptor, labels: &str, value: Number, exemplar: Option<Exemplar>) {
        self.push_number("_total", PointKind::MonotonicSum, labels, value, exemplar);
    }

    fn gauge(&mut self, _: &Descriptor, labels: &str, value: f64) {
        let adds_up = self.convention.is_some_and(|known| known.adds_up);
        let data = if adds_up { PointKind::NonMonotonicSum } else { PointKind::Gauge };
        self.push_number("", data, labels, Number::Float(value), None);
    }

    fn histogram(&mut self, _: &Descriptor, labels: &str, histogram: &HistogramSnapshot<'_>) {
        let counts: Vec<u64> = histogram.counts().collect();
        let mut point = self.new_point();
        point.fixed(4, counts.iter().sum());
        point.double(5, histogram.sum());
        point.packed(6, counts.iter().map(|count| count.to_le_bytes()));
        let bounds = histogram.bounds().bounds.iter();
        point.packed(7, bounds.map(|bound| bound.to_le_bytes()));
        for exemplar in (0..counts.len()).filter_map(|bucket| histogram.exemplar(bucket)) {
            point.message(8, &self::exemplar(&exemplar));
        }
        self.attributes(&mut point, 9, labels);
        self.push_point("", PointKind::Histogram, &point);
    }

    /// Types that OpenTelemetry does not have go line by line, under the names of the text format.
    fn sample(
        &mut self,
        family: &Descriptor,
        suffix: &str,
        labels: &str,
        value: Number,
        _: Option<&str>,
    ) {
        let grows = match family.kind {
            Kind::Counter | Kind::Histogram => true,
            Kind::Summary => !suffix.is_empty(),
            _ => false,
        };
        let data = if grows { PointKind::MonotonicSum } else { PointKind::Gauge };
        self.push_number(suffix, data, labels, value, None);
    }
}

/// Of a number as the conventions have it, or of a text.
fn attribute(key: &str, value: &str, is_int: bool) -> Message {
    let mut any = Message::default();
    match value.parse::<i64>().ok().filter(|_| is_int) {
        Some(number) => any.unsigned(3, number.cast_unsigned()),
        None => any.string(1, value),
    }
    let mut attribute = Message::default();
    attribute.string(1, key);
    attribute.message(2, &any);
    attribute
}

fn exemplar(exemplar: &Exemplar) -> Message {
    let mut message = Message::default();
    message.fixed(2, nanoseconds(exemplar.time));
    message.double(3, exemplar.value);
    message.bytes(4, &exemplar.span_id.get().to_be_bytes());
    message.bytes(5, &exemplar.trace_id.get().to_be_bytes());
    message
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
