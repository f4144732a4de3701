//! A request as one line of a list.

use std::collections::BTreeSet;
use std::sync::Arc;

use obs_context::TraceId;
use serde::Serialize;

use crate::model::{Span, SpanKind, as_text, rfc3339};
use crate::state::{State, Trace};

/// One request in the list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RequestSummary {
    /// Its number in the order in which the first spans of traces arrived; numbers are never used again.
    pub seq: u64,
    /// The trace of it.
    #[serde(serialize_with = "as_text")]
    pub trace_id: TraceId,
    /// Its request id, where a span or a log line tells it.
    pub request_id: Option<Box<str>>,
    /// When its first span began, in RFC 3339.
    pub started: String,
    /// The same in milliseconds of Unix time.
    pub start_unix_ms: f64,
    /// From the begin of the first span to the end of the last.
    pub duration_ms: f64,
    /// The service of the root span.
    pub service: Arc<str>,
    /// The instance of that service.
    pub instance: Option<Arc<str>>,
    /// The root span's name.
    pub name: Box<str>,
    /// The method of the first server span that has one.
    pub method: Option<Box<str>>,
    /// The route template of the first server span that has one.
    pub route: Option<Box<str>>,
    /// The HTTP status code of the first server span that has one.
    pub status: Option<u64>,
    /// Whether any of its spans failed.
    pub error: bool,
    /// How many spans there are.
    pub spans: usize,
    /// How many log lines name the trace.
    pub logs: usize,
    /// How many error events name the trace.
    pub errors: usize,
    /// The services that it passed.
    pub services: BTreeSet<Arc<str>>,
}

pub(super) fn summarize(
    state: &State,
    seq: u64,
    trace_id: TraceId,
    trace: &Trace,
) -> Option<RequestSummary> {
    let mut spans: Vec<&Span> = trace.spans.values().map(|span| &**span).collect();
    spans.sort_by_key(|span| (span.start_unix_nanos, span.parent_span_id.is_some()));
    let root = root(&spans)?;
    let (start, end) = extent(&spans);
    let mut servers = spans.iter().filter(|span| span.kind == SpanKind::Server);
    let request_id = trace.request_ids.first().cloned();
    Some(RequestSummary {
        seq,
        trace_id,
        request_id: request_id
            .or_else(|| state.logs.of_trace(trace_id).find_map(|line| line.request_id.clone())),
        started: rfc3339(start),
        start_unix_ms: milliseconds(start),
        duration_ms: milliseconds(end - start),
        service: Arc::clone(&root.service),
        instance: root.instance.clone(),
        name: root.name.clone(),
        method: servers.clone().find_map(|span| span.http_method()).map(Into::into),
        route: servers.clone().find_map(|span| span.route()).map(Into::into),
        status: servers.find_map(|span| span.http_status()),
        error: spans.iter().any(|span| span.failed()),
        spans: spans.len(),
        logs: state.logs.count_of_trace(trace_id),
        errors: state.errors.count_of_trace(trace_id),
        services: spans.iter().map(|span| Arc::clone(&span.service)).collect(),
    })
}

/// Of spans in the order of their start, the first without a parent, else the first of all.
fn root<'a>(spans: &[&'a Span]) -> Option<&'a Span> {
    let without_parent = spans.iter().find(|span| span.parent_span_id.is_none());
    without_parent.or(spans.first()).copied()
}

/// When the first span began and the last one ended.
pub(super) fn extent(spans: &[&Span]) -> (u64, u64) {
    let start = spans.iter().map(|span| span.start_unix_nanos).min().unwrap_or(0);
    let end = spans.iter().map(|span| span.end_unix_nanos()).max().unwrap_or(0);
    (start, end.max(start))
}

pub(super) fn milliseconds(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}
