//! Field numbers, names and kinds of OTLP's messages, as far as our encoders write them
//! (opentelemetry-proto 1.x, `trace/v1`, `metrics/v1`, `logs/v1`, `common/v1`).

/// What a field holds.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    /// An id: lower-case hexadecimal digits.
    Id,
    /// A 32-bit number, or an enum.
    Small,
    /// A 64-bit number: a string, since JSON's numbers are doubles to many.
    Large,
    Signed,
    Bool,
    Double,
    /// Base64.
    Bytes,
    /// Packed numbers of eight bytes each.
    LargeList,
    DoubleList,
    One(&'static Message),
    Many(&'static Message),
}

/// Number, name and kind.
pub(super) type Field = (u64, &'static str, Kind);

/// The fields of a message.
pub(super) type Message = [Field];

pub(super) const TRACES: &Message = &[(1, "resourceSpans", Kind::Many(RESOURCE_SPANS))];
const RESOURCE_SPANS: &Message =
    &[(1, "resource", Kind::One(RESOURCE)), (2, "scopeSpans", Kind::Many(SCOPE_SPANS))];
const RESOURCE: &Message = &[(1, "attributes", Kind::Many(KEY_VALUE))];
const SCOPE_SPANS: &Message = &[(1, "scope", Kind::One(SCOPE)), (2, "spans", Kind::Many(SPAN))];
const SCOPE: &Message = &[(1, "name", Kind::Text), (2, "version", Kind::Text)];
const SPAN: &Message = &[
    (1, "traceId", Kind::Id),
    (2, "spanId", Kind::Id),
    (3, "traceState", Kind::Text),
    (4, "parentSpanId", Kind::Id),
    (5, "name", Kind::Text),
    (6, "kind", Kind::Small),
    (7, "startTimeUnixNano", Kind::Large),
    (8, "endTimeUnixNano", Kind::Large),
    (9, "attributes", Kind::Many(KEY_VALUE)),
    (10, "droppedAttributesCount", Kind::Small),
    (11, "events", Kind::Many(EVENT)),
    (12, "droppedEventsCount", Kind::Small),
    (13, "links", Kind::Many(LINK)),
    (14, "droppedLinksCount", Kind::Small),
    (15, "status", Kind::One(STATUS)),
    (16, "flags", Kind::Small),
];
const EVENT: &Message = &[
    (1, "timeUnixNano", Kind::Large),
    (2, "name", Kind::Text),
    (3, "attributes", Kind::Many(KEY_VALUE)),
    (4, "droppedAttributesCount", Kind::Small),
];
const LINK: &Message =
    &[(1, "traceId", Kind::Id), (2, "spanId", Kind::Id), (6, "flags", Kind::Small)];
const STATUS: &Message = &[(2, "message", Kind::Text), (3, "code", Kind::Small)];
const KEY_VALUE: &Message = &KEY_VALUES;

/// A value may hold values: the address of a static may be in itself.
static KEY_VALUES: [Field; 2] = [(1, "key", Kind::Text), (2, "value", Kind::One(&ANY_VALUE))];
static ANY_VALUE: [Field; 7] = [
    (1, "stringValue", Kind::Text),
    (2, "boolValue", Kind::Bool),
    (3, "intValue", Kind::Signed),
    (4, "doubleValue", Kind::Double),
    (5, "arrayValue", Kind::One(&ARRAY)),
    (6, "kvlistValue", Kind::One(&KEY_VALUE_LIST)),
    (7, "bytesValue", Kind::Bytes),
];
static ARRAY: [Field; 1] = [(1, "values", Kind::Many(&ANY_VALUE))];
static KEY_VALUE_LIST: [Field; 1] = [(1, "values", Kind::Many(&KEY_VALUES))];

pub(super) const LOGS: &Message = &[(1, "resourceLogs", Kind::Many(RESOURCE_LOGS))];
const RESOURCE_LOGS: &Message =
    &[(1, "resource", Kind::One(RESOURCE)), (2, "scopeLogs", Kind::Many(SCOPE_LOGS))];
const SCOPE_LOGS: &Message =
    &[(1, "scope", Kind::One(SCOPE)), (2, "logRecords", Kind::Many(LOG_RECORD))];
const LOG_RECORD: &Message = &[
    (1, "timeUnixNano", Kind::Large),
    (2, "severityNumber", Kind::Small),
    (3, "severityText", Kind::Text),
    (5, "body", Kind::One(&ANY_VALUE)),
    (6, "attributes", Kind::Many(KEY_VALUE)),
    (7, "droppedAttributesCount", Kind::Small),
    (8, "flags", Kind::Small),
    (9, "traceId", Kind::Id),
    (10, "spanId", Kind::Id),
    (11, "observedTimeUnixNano", Kind::Large),
    (12, "eventName", Kind::Text),
];

pub(super) const METRICS: &Message = &[(1, "resourceMetrics", Kind::Many(RESOURCE_METRICS))];
const RESOURCE_METRICS: &Message =
    &[(1, "resource", Kind::One(RESOURCE)), (2, "scopeMetrics", Kind::Many(SCOPE_METRICS))];
const SCOPE_METRICS: &Message =
    &[(1, "scope", Kind::One(SCOPE)), (2, "metrics", Kind::Many(METRIC))];
const METRIC: &Message = &[
    (1, "name", Kind::Text),
    (2, "description", Kind::Text),
    (3, "unit", Kind::Text),
    (5, "gauge", Kind::One(NUMBERS)),
    (7, "sum", Kind::One(NUMBERS)),
    (9, "histogram", Kind::One(HISTOGRAMS)),
];
const NUMBERS: &Message = &[
    (1, "dataPoints", Kind::Many(NUMBER)),
    (2, "aggregationTemporality", Kind::Small),
    (3, "isMonotonic", Kind::Bool),
];
const NUMBER: &Message = &[
    (2, "startTimeUnixNano", Kind::Large),
    (3, "timeUnixNano", Kind::Large),
    (4, "asDouble", Kind::Double),
    (5, "exemplars", Kind::Many(EXEMPLAR)),
    (6, "asInt", Kind::Signed),
    (7, "attributes", Kind::Many(KEY_VALUE)),
    (8, "flags", Kind::Small),
];
const HISTOGRAMS: &Message =
    &[(1, "dataPoints", Kind::Many(HISTOGRAM)), (2, "aggregationTemporality", Kind::Small)];
const HISTOGRAM: &Message = &[
    (2, "startTimeUnixNano", Kind::Large),
    (3, "timeUnixNano", Kind::Large),
    (4, "count", Kind::Large),
    (5, "sum", Kind::Double),
    (6, "bucketCounts", Kind::LargeList),
    (7, "explicitBounds", Kind::DoubleList),
    (8, "exemplars", Kind::Many(EXEMPLAR)),
    (9, "attributes", Kind::Many(KEY_VALUE)),
    (10, "flags", Kind::Small),
];
const EXEMPLAR: &Message = &[
    (2, "timeUnixNano", Kind::Large),
    (3, "asDouble", Kind::Double),
    (4, "spanId", Kind::Id),
    (5, "traceId", Kind::Id),
    (6, "asInt", Kind::Signed),
    (7, "filteredAttributes", Kind::Many(KEY_VALUE)),
];
