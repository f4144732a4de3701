//! The trace of a query as a comment, for the database's own log.

use std::borrow::Cow;

use crate::thread_state;

/// The statement with the current span's `traceparent` in a comment at its end (SQLCommenter's format),
/// so that the database's log and its statistics name the trace. Outside every span, and where the
/// statement has a comment already, it is as it was.
///
/// Every text is then another one to a cache of prepared statements: for statements that are not
/// prepared, or prepared once a request anyway.
///
/// ```
/// assert_eq!(obs_tracing::sql_with_trace("SELECT 1"), "SELECT 1");
/// ```
pub fn sql_with_trace(statement: &str) -> Cow<'_, str> {
    let current = thread_state::with(|thread| {
        let span = &thread.innermost()?.span_context;
        Some((span.trace_id, span.span_id, u8::from(span.sampled)))
    });
    match current.flatten() {
        Some((trace, span, sampled)) if !statement.contains("/*") => {
            let statement = statement.trim_end().trim_end_matches(';');
            format!("{statement} /*traceparent='00-{trace}-{span}-{sampled:02x}'*/").into()
        }
        _ => statement.into(),
    }
}
