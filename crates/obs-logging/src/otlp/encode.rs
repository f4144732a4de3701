//! From lines to an `ExportLogsServiceRequest` (opentelemetry-proto 1.x, `logs/v1/logs.proto`).

use obs_context::{SpanId, TraceId};

use crate::capture::Value;
use crate::encode::time;

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const BYTES: u32 = 2;

/// The part of every request that never changes: an encoded `Resource`.
pub(super) fn resource(attributes: &[(String, String)]) -> Vec<u8> {
    let mut resource = Vec::new();
    for (name, value) in attributes {
        let value = Value::Text(value.clone());
        nested(&mut resource, 1, |out| key_value(out, name, &value));
    }
    resource
}

/// A request of all lines, each of them one record.
pub(super) fn request(resource: &[u8], event_key: &str, lines: &[u8]) -> Vec<u8> {
    let mut request = Vec::with_capacity(lines.len() + resource.len() + 64);
    nested(&mut request, 1, |logs| {
        bytes(logs, 1, resource);
        nested(logs, 2, |scope| {
            nested(scope, 1, |out| bytes(out, 1, env!("CARGO_PKG_NAME").as_bytes()));
            for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                nested(scope, 2, |out| record(out, event_key, line));
            }
        });
    });
    request
}

fn record(out: &mut Vec<u8>, event_key: &str, line: &[u8]) {
    let text = String::from_utf8_lossy(line);
    let Some(fields) = crate::capture::object(&text) else {
        return nested(out, 5, |out| any_value(out, &Value::Text(text.into_owned())));
    };
    for (name, value) in &fields {
        match (name.as_str(), value) {
            ("timestamp", Value::Text(text)) => {
                let nanos = time::unix_nanos(text).unwrap_or_default();
                fixed64(out, 1, nanos);
                fixed64(out, 11, nanos);
            }
            ("level", Value::Text(level)) => {
                tag(out, 2, VARINT);
                varint(out, severity(level));
                bytes(out, 3, level.as_bytes());
            }
            ("trace_id", Value::Text(text))
                if let Some(id) = TraceId::from_hex(text.as_bytes()) =>
            {
                bytes(out, 9, &id.get().to_be_bytes());
            }
            ("span_id", Value::Text(text)) if let Some(id) = SpanId::from_hex(text.as_bytes()) => {
                bytes(out, 10, &id.get().to_be_bytes());
            }
            (name, value) if name == event_key => nested(out, 5, |out| any_value(out, value)),
            (name, value) => nested(out, 6, |out| key_value(out, name, value)),
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
    bytes(out, 1, name.as_bytes());
    nested(out, 2, |out| any_value(out, value));
}

fn any_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Missing => {}
        Value::Text(text) => bytes(out, 1, text.as_bytes()),
        Value::Bool(value) => {
            tag(out, 2, VARINT);
            varint(out, u64::from(*value));
        }
        Value::Integer(value) => match i64::try_from(*value) {
            Ok(value) => {
                tag(out, 3, VARINT);
                varint(out, value as u64);
            }
            Err(_) => bytes(out, 1, value.to_string().as_bytes()),
        },
        Value::Float(value) => fixed64(out, 4, value.to_bits()),
        Value::Map(fields) => nested(out, 6, |out| {
            fields
                .iter()
                .for_each(|(name, value)| nested(out, 1, |out| key_value(out, name, value)));
        }),
        Value::List(values) => nested(out, 5, |out| {
            values.iter().for_each(|value| nested(out, 1, |out| any_value(out, value)));
        }),
    }
}

/// A message inside a message: its length is known once it is written.
fn nested(out: &mut Vec<u8>, field: u32, write: impl FnOnce(&mut Vec<u8>)) {
    tag(out, field, BYTES);
    let start = out.len();
    write(out);
    let mut length = Vec::with_capacity(5);
    varint(&mut length, (out.len() - start) as u64);
    out.splice(start..start, length);
}

fn bytes(out: &mut Vec<u8>, field: u32, content: &[u8]) {
    tag(out, field, BYTES);
    varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

fn fixed64(out: &mut Vec<u8>, field: u32, value: u64) {
    tag(out, field, FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

fn tag(out: &mut Vec<u8>, field: u32, wire_type: u32) {
    varint(out, u64::from(field << 3 | wire_type));
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
