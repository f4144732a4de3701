//! Log lines as services write them on stdout: one JSON object a line.

use std::sync::Arc;

use obs_context::{SpanId, TraceId};
use serde_json::{Map, Value};

use crate::model::{Attributes, LogLine, now_nanos};

/// The log lines of a text, and how many of them are no JSON objects.
#[derive(Debug, Default)]
pub(crate) struct ParsedLines {
    pub(crate) lines: Vec<LogLine>,
    pub(crate) text: u64,
}

/// Reads every line of `body`; one that is no JSON object becomes a line whose event is its text.
pub(crate) fn parse(service: &str, body: &[u8]) -> ParsedLines {
    let service: Arc<str> = service.into();
    let mut parsed = ParsedLines::default();
    for line in body.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let (line, is_text) = self::line(&service, line);
        parsed.text += u64::from(is_text);
        parsed.lines.push(line);
    }
    parsed
}

/// One line, and whether it is text that is no JSON object.
pub(crate) fn line(service: &Arc<str>, text: &[u8]) -> (LogLine, bool) {
    match serde_json::from_slice::<Map<String, Value>>(text) {
        Ok(object) => (from_object(Arc::clone(service), object), false),
        Err(_) => (from_text(Arc::clone(service), text), true),
    }
}

/// Whether it may be a JSON object.
pub(crate) fn is_object(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    text.starts_with(b"{") && text.ends_with(b"}")
}

/// The keys that loggers use for the same field, ours first.
const TIMESTAMP_KEYS: [&str; 4] = ["timestamp", "time", "ts", "@timestamp"];
const LEVEL_KEYS: [&str; 3] = ["level", "severity", "lvl"];
const EVENT_KEYS: [&str; 3] = ["event", "message", "msg"];
const TARGET_KEYS: [&str; 2] = ["target", "logger"];

fn from_object(service: Arc<str>, mut object: Map<String, Value>) -> LogLine {
    let trace_id = take_field(&mut object, &["trace_id"], |value| {
        let id: TraceId = value.as_str()?.parse().ok()?;
        id.is_valid().then_some(id)
    });
    let span_id = take_field(&mut object, &["span_id"], |value| {
        let id: SpanId = value.as_str()?.parse().ok()?;
        id.is_valid().then_some(id)
    });
    take_field(&mut object, &["service"], |value| (value.as_str()? == &*service).then_some(()));
    LogLine {
        instance: take_field(&mut object, &["service.instance.id"], |id| {
            id.as_str().map(Into::into)
        }),
        unix_nanos: take_field(&mut object, &TIMESTAMP_KEYS, unix_nanos).unwrap_or_else(now_nanos),
        level: take_field(&mut object, &LEVEL_KEYS, text).unwrap_or_default(),
        event: take_field(&mut object, &EVENT_KEYS, text).unwrap_or_default(),
        target: take_field(&mut object, &TARGET_KEYS, text).unwrap_or_default(),
        trace_id,
        span_id,
        request_id: take_field(&mut object, &["request_id"], text),
        fields: Attributes::new(
            object.into_iter().map(|(key, value)| (key.into(), value)).collect(),
        ),
        service,
    }
}

/// A text line: finds its level, and ids written as `name=value`.
fn from_text(service: Arc<str>, line: &[u8]) -> LogLine {
    let event = String::from_utf8_lossy(line);
    let named = |name: &str| {
        let (_, rest) = event.split_once(name)?;
        let value = rest.trim_start_matches('"');
        value.split(|end: char| !(end.is_ascii_alphanumeric() || "-_.".contains(end))).next()
    };
    LogLine {
        service,
        instance: None,
        unix_nanos: now_nanos(),
        level: level_in(&event).into(),
        target: Box::default(),
        trace_id: named("trace_id=")
            .and_then(|id| id.parse().ok())
            .filter(|id: &TraceId| id.is_valid()),
        span_id: named("span_id=")
            .and_then(|id| id.parse().ok())
            .filter(|id: &SpanId| id.is_valid()),
        request_id: named("request_id=").filter(|id| !id.is_empty()).map(Into::into),
        event: event.into(),
        fields: Attributes::default(),
    }
}

/// A level in capital letters among the first words of a line.
fn level_in(line: &str) -> &'static str {
    const LEVELS: [&str; 7] = ["ERROR", "WARN", "WARNING", "INFO", "DEBUG", "TRACE", "CRITICAL"];
    let words = line.split(|end: char| !end.is_ascii_alphabetic()).filter(|word| !word.is_empty());
    let mut found = words.take(6).filter_map(|word| LEVELS.iter().find(|level| **level == word));
    found.next().copied().unwrap_or_default()
}

/// Takes the first of `names` whose value `read` understands out of the object; what it does not
/// understand stays a field.
fn take_field<T>(
    object: &mut Map<String, Value>,
    names: &[&str],
    read: impl Fn(&Value) -> Option<T>,
) -> Option<T> {
    let (name, taken) = names.iter().find_map(|name| Some((*name, read(object.get(*name)?)?)))?;
    object.remove(name);
    Some(taken)
}

fn text(value: &Value) -> Option<Box<str>> {
    value.as_str().map(Into::into)
}

fn unix_nanos(value: &Value) -> Option<u64> {
    let instant: jiff::Timestamp = value.as_str()?.parse().ok()?;
    u64::try_from(instant.as_nanosecond()).ok()
}
