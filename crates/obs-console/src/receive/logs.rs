//! Log lines from OTLP.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use serde_json::Value;

use super::ids::{span_id, trace_id};
use super::value::{attributes, instance, service_name, to_json};
use crate::model::{LogLine, now_nanos};

/// The log lines of a request.
pub(super) fn lines(request: ExportLogsServiceRequest) -> impl Iterator<Item = LogLine> {
    request.resource_logs.into_iter().flat_map(|of_resource| {
        let service = service_name(of_resource.resource.as_ref());
        let instance = instance(of_resource.resource.as_ref());
        of_resource.scope_logs.into_iter().flat_map(move |of_scope| {
            let (service, instance) = (Arc::clone(&service), instance.clone());
            let target: Box<str> =
                of_scope.scope.map(|scope| scope.name).unwrap_or_default().into();
            let records = of_scope.log_records.into_iter();
            records.map(move |record| {
                line(Arc::clone(&service), instance.clone(), target.clone(), record)
            })
        })
    })
}

fn line(
    service: Arc<str>,
    instance: Option<Arc<str>>,
    target: Box<str>,
    record: LogRecord,
) -> LogLine {
    let fields = attributes(record.attributes);
    let told = [record.time_unix_nano, record.observed_time_unix_nano];
    let event = match to_json(record.body) {
        Value::String(text) => text,
        Value::Null => record.event_name,
        value => value.to_string(),
    };
    LogLine {
        service,
        instance,
        unix_nanos: told.into_iter().find(|nanos| *nanos != 0).unwrap_or_else(now_nanos),
        level: level(record.severity_text, record.severity_number),
        event: event.into(),
        target,
        trace_id: trace_id(&record.trace_id),
        span_id: span_id(&record.span_id),
        request_id: ["obs.request.id", "request_id", "request.id"]
            .iter()
            .find_map(|key| fields.text(key))
            .map(Into::into),
        fields,
    }
}

/// The text that was sent, else the name of the number's range (OpenTelemetry logs data model,
/// "Displaying Severity").
fn level(text: String, number: i32) -> Box<str> {
    if !text.is_empty() {
        return text.into();
    }
    match number {
        1..=4 => "TRACE",
        5..=8 => "DEBUG",
        9..=12 => "INFO",
        13..=16 => "WARN",
        17..=20 => "ERROR",
        21..=24 => "FATAL",
        _ => "",
    }
    .into()
}
