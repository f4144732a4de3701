//! From lines to an `ExportLogsServiceRequest` (opentelemetry-proto 1.x, `logs/v1/logs.proto`).

use obs_context::{SpanId, TraceId};
use obs_otlp::wire::Write;

use crate::capture::json::object;
use crate::capture::value::Value;
use crate::encode::time;
use crate::otlp::names;

/// Room for the transport's own prefix.
const HEADROOM: usize = 5;

/// A request of all lines below an encoded resource, each of them one record, and where in the buffer it begins.
pub(super) fn request(resource: &[u8], event_key: &str, lines: &[u8]) -> (Vec<u8>, usize) {
    let mut request = Vec::with_capacity(lines.len() + resource.len() + 64);
    request.resize(HEADROOM, 0);
    request.message(1, |logs| {
        logs.text(1, resource);
        logs.message(2, |scope| {
            scope.message(1, |out| {
                out.text(1, env!("CARGO_PKG_NAME").as_bytes());
                out.text(2, env!("CARGO_PKG_VERSION").as_bytes());
            });
            for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                scope.message(2, |out| record(out, event_key, line));
            }
        });
    });
    (request, HEADROOM)
}

fn record(out: &mut Vec<u8>, event_key: &str, line: &[u8]) {
    let text = String::from_utf8_lossy(line);
    let Some(fields) = object(&text) else {
        return out.message(5, |out| any_value(out, &Value::Text(text.into_owned())));
    };
    for (name, value) in &fields {
        if let Some(known) = known_field(name, event_key, value) {
            known.write(out, value);
        }
    }
    let target = fields.iter().find(|(name, _)| name == "target");
    let target = match target {
        Some((_, Value::Text(target))) => target.as_str(),
        _ => "",
    };
    // The attributes come last, one after another: what makes JSON of it takes them for one list.
    let others =
        fields.iter().filter(|(name, value)| known_field(name, event_key, value).is_none());
    let others = others.map(|(name, value)| (name.as_str(), value));
    names::attributes(target, others, |name, value| {
        out.message(6, |out| key_value(out, name, value));
    });
}

/// A field of the line that a record has a field for.
enum Known<'a> {
    Time(&'a str),
    Level(&'a str),
    TraceId(TraceId),
    SpanId(SpanId),
    Body,
}

fn known_field<'a>(name: &str, event_key: &str, value: &'a Value) -> Option<Known<'a>> {
    match (name, value) {
        ("timestamp", Value::Text(text)) => Some(Known::Time(text)),
        ("level", Value::Text(level)) => Some(Known::Level(level)),
        ("trace_id", Value::Text(text)) => TraceId::from_hex(text.as_bytes()).map(Known::TraceId),
        ("span_id", Value::Text(text)) => SpanId::from_hex(text.as_bytes()).map(Known::SpanId),
        (name, _) if name == event_key => Some(Known::Body),
        _ => None,
    }
}

impl Known<'_> {
    fn write(self, out: &mut Vec<u8>, value: &Value) {
        match self {
            Self::Time(text) => {
                let nanos = time::unix_nanos(text).unwrap_or_default();
                out.fixed64(1, nanos);
                out.fixed64(11, nanos);
            }
            Self::Level(level) => {
                out.uint(2, severity(level));
                out.text(3, level.as_bytes());
            }
            Self::TraceId(id) => out.text(9, &id.get().to_be_bytes()),
            Self::SpanId(id) => out.text(10, &id.get().to_be_bytes()),
            Self::Body => out.message(5, |out| any_value(out, value)),
        }
    }
}

/// `SeverityNumber` of the data model of logs.
fn severity(level: &str) -> u64 {
    match level {
        "error" => 17,
        "warn" => 13,
        "info" => 9,
        "debug" => 5,
        _ => 1,
    }
}

fn key_value(out: &mut Vec<u8>, name: &str, value: &Value) {
    out.text(1, name.as_bytes());
    out.message(2, |out| any_value(out, value));
}

fn any_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Missing => {}
        Value::Text(text) => out.text(1, text.as_bytes()),
        Value::Bool(value) => out.uint(2, u64::from(*value)),
        Value::Integer(value) => match i64::try_from(*value) {
            Ok(value) => out.uint(3, value.cast_unsigned()),
            Err(_) => out.text(1, value.to_string().as_bytes()),
        },
        Value::Float(value) => out.fixed64(4, value.to_bits()),
        Value::Map(fields) => out.message(6, |out| {
            for (name, value) in fields {
                out.message(1, |out| key_value(out, name, value));
            }
        }),
        Value::List(values) => out.message(5, |out| {
            values.iter().for_each(|value| out.message(1, |out| any_value(out, value)));
        }),
    }
}
