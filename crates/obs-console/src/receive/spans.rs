//! Spans from OTLP.

use std::sync::Arc;

use obs_context::{SpanId, TraceId};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind as OtlpKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{self as otlp};

use super::ids::{span_id, trace_id};
use super::value::{attributes, instance, service_name};
use crate::model::{Span, SpanEvent, SpanKind, SpanLink, SpanStatus};

/// The spans of a request. Ids that are none become the invalid id: the store turns those away.
pub(super) fn spans(request: ExportTraceServiceRequest) -> impl Iterator<Item = Span> {
    request.resource_spans.into_iter().flat_map(|of_resource| {
        let service = service_name(of_resource.resource.as_ref());
        let instance = instance(of_resource.resource.as_ref());
        let spans = of_resource.scope_spans.into_iter().flat_map(|of_scope| of_scope.spans);
        spans.map(move |sent| span(Arc::clone(&service), instance.clone(), sent))
    })
}

fn span(service: Arc<str>, instance: Option<Arc<str>>, sent: otlp::Span) -> Span {
    let (status, status_message) = match sent.status {
        Some(status) => (span_status(status.code), status.message.into()),
        None => Default::default(),
    };
    Span {
        trace_id: trace_id(&sent.trace_id).unwrap_or(TraceId::INVALID),
        span_id: span_id(&sent.span_id).unwrap_or(SpanId::INVALID),
        parent_span_id: span_id(&sent.parent_span_id),
        service,
        instance,
        name: sent.name.into(),
        kind: span_kind(sent.kind),
        start_unix_nanos: sent.start_time_unix_nano,
        duration_nanos: sent.end_time_unix_nano.saturating_sub(sent.start_time_unix_nano),
        status,
        status_message,
        attributes: attributes(sent.attributes),
        events: sent.events.into_iter().map(event).collect(),
        links: sent.links.into_iter().filter_map(link).collect(),
    }
}

fn event(sent: otlp::span::Event) -> SpanEvent {
    SpanEvent {
        time_unix_nanos: sent.time_unix_nano,
        name: sent.name.into(),
        attributes: attributes(sent.attributes),
    }
}

fn link(sent: otlp::span::Link) -> Option<SpanLink> {
    Some(SpanLink {
        trace_id: trace_id(&sent.trace_id)?,
        span_id: span_id(&sent.span_id)?,
        attributes: attributes(sent.attributes),
    })
}

fn span_kind(code: i32) -> SpanKind {
    match OtlpKind::try_from(code) {
        Ok(OtlpKind::Server) => SpanKind::Server,
        Ok(OtlpKind::Client) => SpanKind::Client,
        Ok(OtlpKind::Producer) => SpanKind::Producer,
        Ok(OtlpKind::Consumer) => SpanKind::Consumer,
        _ => SpanKind::Internal,
    }
}

fn span_status(code: i32) -> SpanStatus {
    match StatusCode::try_from(code) {
        Ok(StatusCode::Ok) => SpanStatus::Ok,
        Ok(StatusCode::Error) => SpanStatus::Error,
        _ => SpanStatus::Unset,
    }
}
