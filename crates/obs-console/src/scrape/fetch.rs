//! One GET to a service's admin server.

use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION};
use http::{Request, Uri};
use obs_context::{SpanId, TraceId};

use super::target::Target;
use crate::client::{self, Answer};
use crate::state::OWN_REQUEST_ID_PREFIX;

const MAX_ANSWER_BYTES: usize = 16 << 20;
/// A service that hangs must not delay the next scrape for long.
const FETCH_TIMEOUT: Duration = Duration::from_secs(2);

/// Sends requests to one service, under an unsampled trace of the console's own.
pub(crate) struct Fetcher<'a> {
    target: &'a Target,
    trace_id: TraceId,
    timeout: Duration,
}

impl<'a> Fetcher<'a> {
    pub(crate) fn new(target: &'a Target, trace_id: TraceId) -> Self {
        Self { target, trace_id, timeout: FETCH_TIMEOUT }
    }

    pub(crate) fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    pub(crate) async fn fetch(&self, path: &str, accept: &str) -> Result<Answer, String> {
        let admin = self.target.admin();
        let authority = admin.authority().map(ToString::to_string).unwrap_or_default();
        let prefix = admin.path().trim_end_matches('/');
        let url: Uri = format!("http://{authority}{prefix}{path}")
            .parse()
            .map_err(|error| format!("{path}: {error}"))?;
        let span_id = SpanId::random();
        let mut request = Request::get("/")
            .header(ACCEPT, accept)
            .header("traceparent", format!("00-{}-{span_id}-00", self.trace_id))
            .header("x-request-id", format!("{OWN_REQUEST_ID_PREFIX}{span_id}"));
        if let Some(token) = self.target.token() {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let answer = client::send(&url, request, MAX_ANSWER_BYTES, self.timeout).await;
        answer.map_err(|error| format!("{path}: {error}"))
    }
}
