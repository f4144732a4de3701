//! Field numbers, names and kinds of OTLP's messages, as far as our encoders write them
//! (opentelemetry-proto 1.x, `trace/v1`, `metrics/v1`, `logs/v1`, `common/v1`).

/// What a field holds.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    /// An id: lower-case hexadecimal digits.
    Id,
    /// A 32-bit number, or an enum.
    Int32,
    /// A 64-bit number: a string, since JSON's numbers are doubles to many.
    Uint64,
    Int64,
    Bool,
    Double,
    /// Base64.
    Bytes,
    /// Packed numbers of eight bytes each.
    Uint64List,
    DoubleList,
    Message(&'static Message),
    Repeated(&'static Message),
}

/// Number, name and kind.
pub(super) type Field = (u64, &'static str, Kind);

/// The fields of a message.
pub(super) type Message = [Field];

pub(super) const TRACES: &Message = &[(1, "resourceSpans", Kind::Repeated(RESOURCE_SPANS))];
const RESOURCE_SPANS: &Message =
    &[(1, "resource", Kind::Message(RESOURCE)), (2, "scopeSpans", Kind::Repeated(SCOPE_SPANS))];
const RESOURCE: &Message = &[(1, "attributes", Kind::Repeated(KEY_VALUE))];
const SCOPE_SPANS: &Message =
    &[(1, "scope", Kind::Message(SCOPE)), (2, "spans", Kind::Repeated(SPAN))];
const SCOPE: &Message = &[(1, "name", Kind::Text), (2, "version", Kind::Text)];
const SPAN: &Message = &[
    (1, "traceId", Kind::Id),
    (2, "spanId", Kind::Id),
    (3, "traceState", Kind::Text),
    (4, "parentSpanId", Kind::Id),
    (5, "name", Kind::Text),
    (6, "kind", Kind::Int32),
    (7, "startTimeUnixNano", Kind::Uint64),
    (8, "endTimeUnixNano", Kind::Uint64),
    (9, "attributes", Kind::Repeated(KEY_VALUE)),
    (10, "droppedAttributesCount", Kind::Int32),
    (11, "events", Kind::Repeated(EVENT)),
    (12, "droppedEventsCount", Kind::Int32),
    (13, "links", Kind::Repeated(LINK)),
    (14, "droppedLinksCount", Kind::Int32),
    (15, "status", Kind::Message(STATUS)),
    (16, "flags", Kind::Int32),
];
const EVENT: &Message = &[
    (1, "timeUnixNano", Kind::Uint64),
    (2, "name", Kind::Text),
    (3, "attributes", Kind::Repeated(KEY_VALUE)),
    (4, "droppedAttributesCount", Kind::Int32),
];
const LINK: &Message =
    &[(1, "traceId", Kind::Id), (2, "spanId", Kind::Id), (6, "flags", Kind::Int32)];
const STATUS: &Message = &[(2, "message", Kind::Text), (3, "code", Kind::Int32)];
const KEY_VALUE: &Message = &KEY_VALUES;

/// A value may hold values: the address of a static may be in itself.
static KEY_VALUES: [Field; 2] = [(1, "key", Kind::Text), (2, "value", Kind::Message(&ANY_VALUE))];
static ANY_VALUE: [Field; 7] = [
    (1, "stringValue", Kind::Text),
    (2, "boolValue", Kind::Bool),
    (3, "intValue", Kind::Int64),
    (4, "doubleValue", Kind::Double),
    (5, "arrayValue", Kind::Message(&ARRAY)),
    (6, "kvlistValue", Kind::Message(&KEY_VALUE_LIST)),
    (7, "bytesValue", Kind::Bytes),
];
static ARRAY: [Field; 1] = [(1, "values", Kind::Repeated(&ANY_VALUE))];
static KEY_VALUE_LIST: [Field; 1] = [(1, "values", Kind::Repeated(&KEY_VALUES))];

pub(super) const LOGS: &Message = &[(1, "resourceLogs", Kind::Repeated(RESOURCE_LOGS))];
const RESOURCE_LOGS: &Message =
    &[(1, "resource", Kind::Message(RESOURCE)), (2, "scopeLogs", Kind::Repeated(SCOPE_LOGS))];
const SCOPE_LOGS: &Message =
    &[(1, "scope", Kind::Message(SCOPE)), (2, "logRecords", Kind::Repeated(LOG_RECORD))];
const LOG_RECORD: &Message = &[
    (1, "timeUnixNano", Kind::Uint64),
    (2, "severityNumber", Kind::Int32),
    (3, "severityText", Kind::Text),
    (5, "body", Kind::Message(&ANY_VALUE)),
    (6, "attributes", Kind::Repeated(KEY_VALUE)),
    (7, "droppedAttributesCount", Kind::Int32),
    (8, "flags", Kind::Int32),
    (9, "traceId", Kind::Id),
    (10, "spanId", Kind::Id),
    (11, "observedTimeUnixNano", Kind::Uint64),
    (12, "eventName", Kind::Text),
];

pub(super) const METRICS: &Message = &[(1, "resourceMetrics", Kind::Repeated(RESOURCE_METRICS))];
const RESOURCE_METRICS: &Message =
    &[(1, "resource", Kind::Message(RESOURCE)), (2, "scopeMetrics", Kind::Repeated(SCOPE_METRICS))];
const SCOPE_METRICS: &Message =
    &[(1, "scope", Kind::Message(SCOPE)), (2, "metrics", Kind::Repeated(METRIC))];
const METRIC: &Message = &[
    (1, "name", Kind::Text),
    (2, "description", Kind::Text),
    (3, "unit", Kind::Text),
    (5, "gauge", Kind::Message(NUMBERS)),
    (7, "sum", Kind::Message(NUMBERS)),
    (9, "histogram", Kind::Message(HISTOGRAMS)),
];
const NUMBERS: &Message = &[
    (1, "dataPoints", Kind::Repeated(NUMBER)),
    (2, "aggregationTemporality", Kind::Int32),
    (3, "isMonotonic", Kind::Bool),
];
const NUMBER: &Message = &[
    (2, "startTimeUnixNano", Kind::Uint64),
    (3, "timeUnixNano", Kind::Uint64),
    (4, "asDouble", Kind::Double),
    (5, "exemplars", Kind::Repeated(EXEMPLAR)),
    (6, "asInt", Kind::Int64),
    (7, "attributes", Kind::Repeated(KEY_VALUE)),
    (8, "flags", Kind::Int32),
];
const HISTOGRAMS: &Message =
    &[(1, "dataPoints", Kind::Repeated(HISTOGRAM)), (2, "aggregationTemporality", Kind::Int32)];
const HISTOGRAM: &Message = &[
    (2, "startTimeUnixNano", Kind::Uint64),
    (3, "timeUnixNano", Kind::Uint64),
    (4, "count", Kind::Uint64),
    (5, "sum", Kind::Double),
    (6, "bucketCounts", Kind::Uint64List),
    (7, "explicitBounds", Kind::DoubleList),
    (8, "exemplars", Kind::Repeated(EXEMPLAR)),
    (9, "attributes", Kind::Repeated(KEY_VALUE)),
    (10, "flags", Kind::Int32),
];
const EXEMPLAR: &Message = &[
    (2, "timeUnixNano", Kind::Uint64),
    (3, "asDouble", Kind::Double),
    (4, "spanId", Kind::Id),
    (5, "traceId", Kind::Id),
    (6, "asInt", Kind::Int64),
    (7, "filteredAttributes", Kind::Repeated(KEY_VALUE)),
];
