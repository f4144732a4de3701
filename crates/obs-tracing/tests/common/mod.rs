//! What the tests share: a pipeline that keeps its requests, decoded.

#![allow(dead_code, reason = "every test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "it is part of tests")]

pub(crate) mod collector;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use obs_tracing::{Builder, TraceLayer, Traces};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::{Span, span::Event};
use prost::Message;

/// Everything that was exported.
#[derive(Clone, Default)]
pub(crate) struct Exported(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

impl Exported {
    pub(crate) fn builder(&self) -> Builder {
        self.on(Builder::new("test"))
    }

    pub(crate) fn on(&self, builder: Builder) -> Builder {
        let requests = Arc::clone(&self.0);
        builder.export_with(move |bytes, spans| {
            let request = ExportTraceServiceRequest::decode(bytes).unwrap();
            assert_eq!(spans_of(&request).count(), spans);
            requests.lock().unwrap().push(request);
            Ok(())
        })
    }

    pub(crate) fn requests(&self) -> Vec<ExportTraceServiceRequest> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        self.requests().iter().flat_map(spans_of).cloned().collect()
    }

    /// The one span of this name.
    pub(crate) fn span(&self, name: &str) -> Span {
        let mut named = self.spans().into_iter().filter(|span| span.name == name);
        let span = named.next().unwrap_or_else(|| {
            let names: Vec<_> = self.spans().into_iter().map(|span| span.name).collect();
            panic!("no span is named {name}, only {names:?}")
        });
        assert!(named.next().is_none(), "two spans are named {name}");
        span
    }
}

/// A pipeline, and what it exports.
pub(crate) fn pipeline() -> (TraceLayer, Traces, Exported) {
    let exported = Exported::default();
    let (layer, traces) = exported.builder().build().unwrap();
    (layer, traces, exported)
}

/// Flushes, and expects everything to have been delivered.
pub(crate) fn flush(traces: &Traces) {
    let delivery = traces.flush(Duration::from_secs(30));
    assert!(delivery.complete, "{delivery:?}");
    assert_eq!(delivery.lost, 0);
}

pub(crate) fn spans_of(request: &ExportTraceServiceRequest) -> impl Iterator<Item = &Span> {
    let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    scopes.flat_map(|scope| &scope.spans)
}

/// An attribute as text: `true`, `3`, `0.5`, `text`.
pub(crate) fn attribute(span: &Span, key: &str) -> Option<String> {
    find(&span.attributes, key)
}

pub(crate) fn event_attribute(event: &Event, key: &str) -> Option<String> {
    find(&event.attributes, key)
}

fn find(
    attributes: &[opentelemetry_proto::tonic::common::v1::KeyValue],
    key: &str,
) -> Option<String> {
    let known: Vec<_> = attributes.iter().filter(|known| known.key == key).collect();
    assert!(known.len() <= 1, "{key} is there {} times", known.len());
    match known.first()?.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::BoolValue(value) => Some(value.to_string()),
        Value::IntValue(value) => Some(value.to_string()),
        Value::DoubleValue(value) => Some(value.to_string()),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn keys(span: &Span) -> Vec<&str> {
    span.attributes.iter().map(|known| known.key.as_str()).collect()
}
