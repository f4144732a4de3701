//! The console's HTTP client.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, USER_AGENT};
use http::uri::Scheme;
use http::{Uri, request};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A complete response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

/// Why there is no response.
#[derive(Debug)]
pub(crate) enum RequestError {
    TooSlow(Duration),
    TooLarge,
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSlow(limit) => write!(f, "no answer within {} s", limit.as_secs()),
            Self::TooLarge => f.write_str("the answer is too large"),
            Self::Other(error) => error.fmt(f),
        }
    }
}

/// Whether this is a plain HTTP URL of this machine.
pub(crate) fn is_loopback(url: &Uri) -> bool {
    let Some(host) = url.host().filter(|_| url.scheme() == Some(&Scheme::HTTP)) else {
        return false;
    };
    let address: Result<IpAddr, _> = host.trim_start_matches('[').trim_end_matches(']').parse();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// Makes `request` of `url` on a connection of its own, and reads at most `max_bytes` bytes.
pub(crate) async fn send(
    url: &Uri,
    request: request::Builder,
    max_bytes: usize,
    timeout: Duration,
) -> Result<Answer, RequestError> {
    match tokio::time::timeout(timeout, exchange(url, request, max_bytes)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(RequestError::TooLarge),
        Ok(Err(error)) => Err(RequestError::Other(error)),
        Err(_) => Err(RequestError::TooSlow(timeout)),
    }
}

async fn exchange(
    url: &Uri,
    request: request::Builder,
    max_bytes: usize,
) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
    let host = url.host().unwrap_or_default();
    let port = url.port_u16().unwrap_or(80);
    let stream =
        TcpStream::connect((host.trim_start_matches('[').trim_end_matches(']'), port)).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let request = request
        .uri(path)
        .header(HOST, format!("{host}:{port}"))
        .header(CONNECTION, "close")
        .header(USER_AGENT, concat!("obs-console/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())?;
    let answer = async move {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), max_bytes).collect().await?.to_bytes();
        Ok(Answer { status, body })
    };
    // The connection is driven here and ends with the response, which carries its errors.
    let (answer, _) = tokio::join!(answer, connection);
    answer
}
