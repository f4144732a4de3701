//! Error events from Sentry's JSON (develop.sentry.dev, "Event Payloads"). A field that is not understood
//! is as if it were not there.

use std::str::FromStr;
use std::sync::Arc;

use obs_context::{SpanId, TraceId};
use serde_json::{Map, Value};

use super::envelope::event_id;
use crate::model::{Attributes, Breadcrumb, ErrorCause, ErrorEvent, ErrorFrame, now_nanos};

/// The event of this payload; `envelope_id` is the id where it has none of its own.
pub(super) fn parse(payload: &[u8], envelope_id: Option<u128>) -> Result<ErrorEvent, &'static str> {
    let event: Value = serde_json::from_slice(payload)
        .ok()
        .filter(Value::is_object)
        .ok_or("an event is no JSON object: send it as Sentry's SDKs do")?;
    let id = event.get("event_id").and_then(event_id).or(envelope_id);
    let id = id.ok_or("an event has no event_id: give 32 hexadecimal digits")?;
    let tags = tags(&event["tags"]);
    let trace = &event["contexts"]["trace"];
    let service = tags.text("service").or(event["server_name"].as_str()).unwrap_or("unknown");
    let of_exceptions = values(&event["exception"]).rev();
    let stacks = of_exceptions.clone().chain(values(&event["threads"]).rev());
    Ok(ErrorEvent {
        event_id: id,
        service: Arc::from(service),
        unix_nanos: unix_nanos(&event["timestamp"]).unwrap_or_else(now_nanos),
        level: text(&event["level"]).unwrap_or_else(|| "error".into()),
        message: message(&event),
        exceptions: of_exceptions.map(cause).collect(),
        frames: stacks.map(frames).find(|frames| !frames.is_empty()).unwrap_or_default(),
        trace_id: parse_id(&trace["trace_id"]).filter(|id: &TraceId| id.is_valid()),
        span_id: parse_id(&trace["span_id"]).filter(|id: &SpanId| id.is_valid()),
        request_id: tags.text("request_id").map(Into::into),
        transaction: text(&event["transaction"]),
        release: text(&event["release"]),
        environment: text(&event["environment"]),
        breadcrumbs: values(&event["breadcrumbs"]).map(breadcrumb).collect(),
        tags,
    })
}

/// A list, or an object with it as `values`: both are usual.
fn values(of: &Value) -> std::slice::Iter<'_, Value> {
    let list = of.as_array().or_else(|| of["values"].as_array());
    list.map(Vec::as_slice).unwrap_or_default().iter()
}

fn parse_id<T: FromStr>(value: &Value) -> Option<T> {
    value.as_str()?.parse().ok()
}

/// The protocol's list has the outermost last.
fn cause(exception: &Value) -> ErrorCause {
    ErrorCause {
        kind: text(&exception["type"]).unwrap_or_default(),
        value: text(&exception["value"]).unwrap_or_default(),
    }
}

/// The application's own calls, the innermost first: it is the last one of the protocol's list.
fn frames(of: &Value) -> Vec<ErrorFrame> {
    let frames = values(&of["stacktrace"]["frames"]).rev();
    let own = frames.filter(|frame| frame["in_app"] == true);
    own.map(|frame| ErrorFrame {
        function: text(&frame["function"]).unwrap_or_default(),
        file: text(&frame["filename"]).or_else(|| text(&frame["abs_path"])).unwrap_or_default(),
        line: frame["lineno"].as_u64(),
    })
    .collect()
}

fn breadcrumb(crumb: &Value) -> Breadcrumb {
    Breadcrumb {
        unix_nanos: unix_nanos(&crumb["timestamp"]).unwrap_or(0),
        level: text(&crumb["level"]).unwrap_or_default(),
        category: text(&crumb["category"]).unwrap_or_default(),
        message: text(&crumb["message"]).unwrap_or_default(),
        data: crumb["data"].as_object().map(attributes).unwrap_or_default(),
    }
}

/// The message as it stands, else the formatted log entry.
fn message(event: &Value) -> Box<str> {
    let entries = [&event["logentry"], &event["message"]];
    let of_entry = || {
        let texts = entries.iter().flat_map(|entry| [&entry["formatted"], &entry["message"]]);
        texts.into_iter().find_map(text)
    };
    text(&event["message"]).or_else(of_entry).unwrap_or_default()
}

/// An object, or a list of pairs.
fn tags(tags: &Value) -> Attributes {
    match tags {
        Value::Object(tags) => attributes(tags),
        Value::Array(pairs) => {
            let pair = |pair: &Value| Some((text(pair.get(0)?)?, pair.get(1)?.clone()));
            Attributes::new(pairs.iter().filter_map(pair).collect())
        }
        _ => Attributes::default(),
    }
}

fn attributes(map: &Map<String, Value>) -> Attributes {
    Attributes::new(map.iter().map(|(key, value)| (key.as_str().into(), value.clone())).collect())
}

fn text(value: &Value) -> Option<Box<str>> {
    value.as_str().map(Into::into)
}

/// Seconds of Unix time, or RFC 3339.
fn unix_nanos(value: &Value) -> Option<u64> {
    if let Some(seconds) = value.as_f64() {
        let since = std::time::Duration::try_from_secs_f64(seconds).ok()?;
        return u64::try_from(since.as_nanos()).ok();
    }
    let instant: jiff::Timestamp = value.as_str()?.parse().ok()?;
    u64::try_from(instant.as_nanosecond()).ok()
}
