//! One GET to a service's admin server.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use http::{Request, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use obs_context::{SpanId, TraceId};
use tokio::net::TcpStream;

use super::Target;
use crate::state::OWN_REQUEST_ID_PREFIX;

const LARGEST_ANSWER: usize = 16 << 20;
/// A service that hangs must not hold the next look up for long.
const SLOWEST: Duration = Duration::from_secs(2);

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

/// Asks one service, under a trace of the console's own that asks not to be recorded.
pub(super) struct Fetcher<'a> {
    admin: &'a Uri,
    trace_id: TraceId,
}

impl<'a> Fetcher<'a> {
    pub(super) fn new(target: &'a Target, trace_id: TraceId) -> Self {
        Self { admin: target.admin(), trace_id }
    }

    pub(super) async fn fetch(&self, path: &str, accept: &str) -> Result<Answer, String> {
        match tokio::time::timeout(SLOWEST, self.exchange(path, accept)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(format!("{path}: {error}")),
            Err(_) => Err(format!("{path}: no answer within 2 s")),
        }
    }

    async fn exchange(
        &self,
        path: &str,
        accept: &str,
    ) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        let host = self.admin.host().unwrap_or_default();
        let port = self.admin.port_u16().unwrap_or(80);
        let address = (host.trim_start_matches('[').trim_end_matches(']'), port);
        let stream = TcpStream::connect(address).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;

        let span_id = SpanId::random();
        let request = Request::get(format!("{}{path}", self.admin.path().trim_end_matches('/')))
            .header(HOST, format!("{host}:{port}"))
            .header(ACCEPT, accept)
            .header(CONNECTION, "close")
            .header(USER_AGENT, concat!("obs-console/", env!("CARGO_PKG_VERSION")))
            .header("traceparent", format!("00-{}-{span_id}-00", self.trace_id))
            .header("x-request-id", format!("{OWN_REQUEST_ID_PREFIX}{span_id}"))
            .body(Empty::<Bytes>::new())?;
        let answer = async move {
            let response = sender.send_request(request).await?;
            let status = response.status().as_u16();
            let body =
                Limited::new(response.into_body(), LARGEST_ANSWER).collect().await?.to_bytes();
            Ok(Answer { status, body })
        };
        // The connection is driven here and ends with the answer, which tells of its errors.
        let (answer, _) = tokio::join!(answer, connection);
        answer
    }
}
