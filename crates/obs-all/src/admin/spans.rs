//! `/debug/spans`: the open spans.

use bytes::Bytes;
use http::{Response, StatusCode};
use obs_tracing::Traces;
use serde_json::{Value, json};

use super::answer;

/// An answer is read by a person: the oldest spans say what hangs.
const MAX_SPANS: usize = 1_000;

pub(super) fn answer(traces: &Traces) -> Response<Bytes> {
    let mut live = traces.live(MAX_SPANS);
    live.sort_by_key(|span| std::cmp::Reverse(span.age));
    let spans: Value = live
        .iter()
        .map(|span| {
            json!({
                "trace_id": span.trace_id.to_string(),
                "span_id": span.span_id.to_string(),
                "parent_id": span.parent_id.is_valid().then(|| span.parent_id.to_string()),
                "name": span.name,
                "route": span.route.map(obs_context::Route::as_str),
                "age_ms": (span.age.as_secs_f64() * 1e6).round() / 1e3,
            })
        })
        .collect();
    answer::json(StatusCode::OK, &json!({"spans": spans}))
}
