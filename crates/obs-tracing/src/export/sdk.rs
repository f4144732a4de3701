//! Span exporters made for OpenTelemetry's SDK.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use fastant::Anchor;
use obs_otlp::{Outcome, Resource, ResourceValue};
use opentelemetry::trace as otel;
use opentelemetry::{InstrumentationScope, Key, KeyValue, Value};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter, SpanLinks};

use super::place::{EXPORTER, exporter_panicked};
use crate::record::{Attribute, AttributeValue, Event, EventName, Link, Record, SpanKind, Status};

/// A [`SpanExporter`] as an object.
pub(crate) trait Exporter: Send {
    fn export(
        &self,
        batch: Vec<SpanData>,
    ) -> Pin<Box<dyn Future<Output = OTelSdkResult> + Send + '_>>;
    fn begin(&mut self, resource: &Resource);
    fn end(&self, timeout: Duration);
}

impl<E: SpanExporter> Exporter for E {
    fn export(
        &self,
        batch: Vec<SpanData>,
    ) -> Pin<Box<dyn Future<Output = OTelSdkResult> + Send + '_>> {
        Box::pin(SpanExporter::export(self, batch))
    }

    fn begin(&mut self, resource: &Resource) {
        let attributes = resource.iter().map(|(key, value)| {
            let value = match value {
                ResourceValue::Text(text) => Value::from(text.clone()),
                ResourceValue::Int(value) => Value::from(*value),
            };
            KeyValue::new(Key::from(key.to_owned()), value)
        });
        let resource = opentelemetry_sdk::Resource::builder_empty().with_attributes(attributes);
        self.set_resource(&resource.build());
    }

    fn end(&self, timeout: Duration) {
        let _ = self.shutdown_with_timeout(timeout); // what it had was settled before
    }
}

/// Spans on their way to such an exporter.
pub(crate) struct SdkBatch {
    anchor: Anchor,
    scope: InstrumentationScope,
    spans: Vec<SpanData>,
}

/// Sent once: the exporter's own business is to try again.
pub(crate) type PreparedRequest = Mutex<Vec<SpanData>>;

pub(crate) async fn send(exporter: &dyn Exporter, request: &PreparedRequest) -> Outcome {
    let batch = std::mem::take(&mut *request.lock().unwrap_or_else(PoisonError::into_inner));
    let Some(mut exporting) = EXPORTER.call(|| exporter.export(batch)) else {
        return exporter_panicked();
    };
    match poll_fn(|task| EXPORTER.poll(exporting.as_mut(), task)).await {
        Some(Ok(())) => Outcome::Delivered { rejected: 0, message: String::new() },
        Some(Err(error)) => Outcome::Lost { reason: error.to_string() },
        None => exporter_panicked(),
    }
}

impl SdkBatch {
    pub(crate) fn new() -> Self {
        let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        Self { anchor: Anchor::new(), scope, spans: Vec::new() }
    }

    pub(crate) fn spans(&self) -> usize {
        self.spans.len()
    }

    pub(crate) fn finish(self) -> PreparedRequest {
        Mutex::new(self.spans)
    }

    pub(crate) fn add(&mut self, record: &Record) {
        let (span_context, text) = (&record.span_context, &record.text);
        let time = |at: fastant::Instant| {
            SystemTime::UNIX_EPOCH + Duration::from_nanos(at.as_unix_nanos(&self.anchor))
        };
        let mut events = SpanEvents::default();
        events.events = record.events.iter().map(|known| event(known, record, time)).collect();
        events.dropped_count = record.dropped_events;
        let mut links = SpanLinks::default();
        links.links = record.links.iter().map(link).collect();
        links.dropped_count = record.dropped_links;
        let start_time = time(record.start);
        self.spans.push(SpanData {
            span_context: crate::otel_context::context(span_context),
            parent_span_id: span_context.parent_id.get().into(),
            parent_span_is_remote: span_context.remote_parent,
            span_kind: kind(record.kind),
            name: match record.name {
                Some(name) => name.of(text).to_owned().into(),
                None => span_context.name.into(),
            },
            start_time,
            end_time: record.end.map_or(start_time, time).max(start_time),
            attributes: attributes(&record.attributes, text),
            dropped_attributes_count: record.dropped_attributes,
            events,
            links,
            status: match record.status {
                Status::Unset => otel::Status::Unset,
                Status::Ok => otel::Status::Ok,
                Status::Error => {
                    let message = record.status_message.map_or("", |message| message.of(text));
                    otel::Status::error(message.to_owned())
                }
            },
            instrumentation_scope: self.scope.clone(),
        });
    }
}

fn kind(kind: SpanKind) -> otel::SpanKind {
    match kind {
        SpanKind::Internal => otel::SpanKind::Internal,
        SpanKind::Server => otel::SpanKind::Server,
        SpanKind::Client => otel::SpanKind::Client,
        SpanKind::Producer => otel::SpanKind::Producer,
        SpanKind::Consumer => otel::SpanKind::Consumer,
    }
}

fn event(
    event: &Event,
    record: &Record,
    time: impl Fn(fastant::Instant) -> SystemTime,
) -> otel::Event {
    let (first, end) = event.attributes;
    let known = record.event_attributes.get(first as usize..end as usize).unwrap_or_default();
    let name = match event.name {
        EventName::Exception => "exception".into(),
        EventName::Named(name) => name.of(&record.text).to_owned().into(),
    };
    let attributes = attributes(known, &record.text);
    otel::Event::new::<std::borrow::Cow<'static, str>>(
        name,
        time(event.time),
        attributes,
        event.dropped_attributes,
    )
}

fn link(link: &Link) -> otel::Link {
    let context = otel::SpanContext::new(
        link.trace_id.get().into(),
        link.span_id.get().into(),
        otel::TraceFlags::new(link.flags),
        true,
        otel::TraceState::NONE,
    );
    otel::Link::new(context, Vec::new(), 0)
}

fn attributes(known: &[Attribute], text: &str) -> Vec<KeyValue> {
    let attribute = |known: &Attribute| {
        let value = match known.value.of(text) {
            AttributeValue::Bool(value) => Value::Bool(value),
            AttributeValue::Int(value) => Value::I64(value),
            AttributeValue::Double(value) => Value::F64(value),
            AttributeValue::Text(value) => Value::String(value.to_owned().into()),
        };
        KeyValue::new(known.key, value)
    };
    known.iter().map(attribute).collect()
}

impl fmt::Debug for SdkBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("spans", &self.spans.len()).finish_non_exhaustive()
    }
}
