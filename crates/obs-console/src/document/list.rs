//! The list of requests, paged.

use obs_context::TraceId;

use super::filter::{Filter, StatusFilter};
use super::summary::{RequestSummary, summarize};
use crate::state::{State, Trace};

/// Adds those of the next `batch` traces before `before` that pass `filter`, and answers where to go on; `None`
/// where the list is complete.
pub(crate) fn list(
    state: &State,
    filter: &Filter,
    before: u64,
    batch: usize,
    found: &mut Vec<RequestSummary>,
) -> Option<u64> {
    let mut last = None;
    for (seq, id, trace) in state.traces.before(before).take(batch) {
        last = Some(seq);
        // A summary costs more than looking for a text.
        if !may_pass(filter, trace) || !has_text(state, filter, id, trace) {
            continue;
        }
        let summary = summarize(state, seq, id, trace);
        found.extend(summary.filter(|it| accepts(filter, it)));
        if found.len() >= filter.limit {
            return None;
        }
    }
    last
}

/// The conditions that the spans alone decide.
fn may_pass(filter: &Filter, trace: &Trace) -> bool {
    let spans = || trace.spans.values();
    filter.route.as_deref().is_none_or(|route| spans().any(|it| it.route() == Some(route)))
        && filter.service.as_deref().is_none_or(|name| spans().any(|it| *it.service == *name))
        && filter
            .instance
            .as_deref()
            .is_none_or(|id| spans().any(|it| it.instance.as_deref() == Some(id)))
        && filter.attributes.iter().all(|wanted| spans().any(|it| wanted.accepts(&it.attributes)))
}

fn accepts(filter: &Filter, summary: &RequestSummary) -> bool {
    let status = summary.status;
    let status_fits = match filter.status {
        None => true,
        Some(StatusFilter::Code(code)) => status == Some(code),
        Some(StatusFilter::Class(class)) => status.is_some_and(|code| code / 100 == class),
        Some(StatusFilter::Error) => summary.error,
        Some(StatusFilter::Ok) => !summary.error,
    };
    status_fits
        && filter.error.is_none_or(|error| error == summary.error)
        && filter.min_ms.is_none_or(|least| summary.duration_ms >= least)
        && filter.max_ms.is_none_or(|most| summary.duration_ms <= most)
        && filter.from_ms.is_none_or(|from| summary.start_unix_ms >= from)
        && filter.to_ms.is_none_or(|to| summary.start_unix_ms <= to)
}

fn has_text(state: &State, filter: &Filter, id: TraceId, trace: &Trace) -> bool {
    let Some(q) = &filter.q else { return true };
    q.is_in_id(id)
        || trace.request_ids.iter().any(|id| q.is_in(id))
        || trace.spans.values().any(|span| q.is_in_span(span))
        || state.logs.of_trace(id).any(|line| q.is_in_line(line))
        || state.errors.of_trace(id).any(|event| q.is_in_error(event))
}
