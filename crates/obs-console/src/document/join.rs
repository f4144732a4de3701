//! All data of one request, joined.

use std::collections::BTreeSet;
use std::sync::Arc;

use obs_context::{SpanId, TraceId};
use serde::{Serialize, Serializer};

use super::summary::{extent, milliseconds};
use super::tree::{PlacedSpan, Tree};
use crate::model::{ErrorEvent, LogLine, Series, Span, SpanKind, as_text, rfc3339};
use crate::state::{Change, HealthAt, State};

/// One request, seen through every pillar.
#[derive(Clone, Debug, Serialize)]
pub struct RequestDocument {
    /// The trace of it.
    #[serde(serialize_with = "as_text")]
    pub trace_id: TraceId,
    /// Its request id: the first of `request_ids`.
    pub request_id: Option<Box<str>>,
    /// Every request id that a span, a log line or an error event of it carries.
    pub request_ids: BTreeSet<Box<str>>,
    /// When its first span began, in RFC 3339; where it has none, its first log line or error
    /// event.
    pub started: String,
    /// The same in milliseconds of Unix time.
    pub start_unix_ms: f64,
    /// From the begin of the first span to the end of the last.
    pub duration_ms: f64,
    /// The route template of the first server span that has one.
    pub route: Option<Box<str>>,
    /// The HTTP status code of the first server span that has one.
    pub status: Option<u64>,
    /// Whether any of its spans failed.
    pub error: bool,
    /// The services that it passed.
    pub services: BTreeSet<Arc<str>>,
    /// Its spans: every parent before its children, siblings in the order in which they began.
    pub spans: Vec<PlacedSpan>,
    /// The spans without a parent: one, in a whole trace.
    #[serde(serialize_with = "span_ids")]
    pub roots: Vec<SpanId>,
    /// The spans whose parent is not here: lost, late, or of a service that sends nothing.
    #[serde(serialize_with = "span_ids")]
    pub orphans: Vec<SpanId>,
    /// Its log lines by time: those of the trace, and those with its request id and no trace.
    pub logs: Vec<Arc<LogLine>>,
    /// Its error events by time: those of the trace, and those with its request id and no trace.
    pub errors: Vec<Arc<ErrorEvent>>,
    /// The metric series that it moved: an exemplar names it, or their labels match a server span.
    pub metrics: Vec<Change>,
    /// How its services were when it ended.
    pub health: Vec<HealthAt>,
}

pub(crate) fn join(state: &State, trace_id: TraceId) -> Option<RequestDocument> {
    let trace = state.traces.find(trace_id);
    let mut spans: Vec<Arc<Span>> =
        trace.map(|trace| trace.spans.values().cloned().collect()).unwrap_or_default();
    spans.sort_by_key(|span| (span.start_unix_nanos, span.parent_span_id.is_some()));
    let mut logs: Vec<Arc<LogLine>> = state.logs.of_trace(trace_id).cloned().collect();
    let mut errors: Vec<Arc<ErrorEvent>> = state.errors.of_trace(trace_id).cloned().collect();
    if spans.is_empty() && logs.is_empty() && errors.is_empty() {
        return None;
    }

    let of_spans = trace.into_iter().flat_map(|trace| trace.request_ids.iter().cloned());
    let of_logs = logs.iter().filter_map(|line| line.request_id.clone());
    let of_errors = errors.iter().filter_map(|event| event.request_id.clone());
    let request_ids: BTreeSet<Box<str>> = of_spans.chain(of_logs).chain(of_errors).collect();
    let request_id = first_request_id(&spans, &logs, &errors);
    for id in &request_ids {
        logs.extend(state.logs.of_request(id).filter(|line| line.trace_id.is_none()).cloned());
        let of_request = state.errors.of_request(id);
        errors.extend(of_request.filter(|event| event.trace_id.is_none()).cloned());
    }
    errors.sort_by_key(|event| event.unix_nanos);
    logs.sort_by_key(|line| line.unix_nanos);

    let borrowed: Vec<&Span> = spans.iter().map(|span| &**span).collect();
    let (start, end) =
        if spans.is_empty() { extent_without_spans(&logs, &errors) } else { extent(&borrowed) };
    let servers: Vec<&Span> =
        borrowed.iter().filter(|span| span.kind == SpanKind::Server).copied().collect();
    let moved_by_this = |service: &str, series: &Series| {
        servers.iter().any(|span| *span.service == *service && labels_match(series, span))
    };
    let metrics = state.metrics.changes(trace_id, (start, end), moved_by_this);
    let of_spans = spans.iter().map(|span| Arc::clone(&span.service));
    let services: BTreeSet<Arc<str>> = of_spans
        .chain(logs.iter().map(|line| Arc::clone(&line.service)))
        .chain(errors.iter().map(|event| Arc::clone(&event.service)))
        .collect();

    let tree = Tree::of(&spans, start);
    Some(RequestDocument {
        trace_id,
        request_id,
        request_ids,
        started: rfc3339(start),
        start_unix_ms: milliseconds(start),
        duration_ms: milliseconds(end - start),
        route: servers.iter().find_map(|span| span.route()).map(Into::into),
        status: servers.iter().find_map(|span| span.http_status()),
        error: spans.iter().any(|span| span.failed()),
        roots: tree.roots,
        orphans: tree.orphans,
        health: services.iter().filter_map(|service| state.health.at(service, end)).collect(),
        services,
        logs,
        errors,
        metrics,
        spans: tree.spans,
    })
}

fn first_request_id(
    spans: &[Arc<Span>],
    logs: &[Arc<LogLine>],
    errors: &[Arc<ErrorEvent>],
) -> Option<Box<str>> {
    let of_span = spans.iter().find_map(|span| span.request_id()).map(Into::into);
    let of_line = || logs.iter().find_map(|line| line.request_id.clone());
    of_span.or_else(of_line).or_else(|| errors.iter().find_map(|event| event.request_id.clone()))
}

fn extent_without_spans(logs: &[Arc<LogLine>], errors: &[Arc<ErrorEvent>]) -> (u64, u64) {
    let lines = logs.iter().map(|line| line.unix_nanos);
    let times = || lines.clone().chain(errors.iter().map(|event| event.unix_nanos));
    (times().min().unwrap_or(0), times().max().unwrap_or(0))
}

/// Whether a series counts requests like the one of this server span: its route label is the span's
/// route, and its method and status labels, where it has them, are the span's.
fn labels_match(series: &Series, span: &Span) -> bool {
    const ROUTE: [&str; 4] = ["path", "route", "http_route", "http.route"];
    const METHOD: [&str; 3] = ["method", "http_request_method", "http.request.method"];
    const STATUS: [&str; 4] =
        ["status", "code", "http_response_status_code", "http.response.status_code"];
    let label = |names: &[&str]| names.iter().find_map(|name| series.label(name));
    let route_fits = label(&ROUTE).is_some_and(|route| span.route() == Some(route));
    let method_fits = label(&METHOD).is_none_or(|method| span.http_method() == Some(method));
    route_fits
        && method_fits
        && label(&STATUS).is_none_or(|status| {
            span.http_status().is_some_and(|code| {
                let class = format!("{}xx", code / 100);
                status == code.to_string() || status == class
            })
        })
}

fn span_ids<S: Serializer>(ids: &[SpanId], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(ids.iter().map(SpanId::to_string))
}
