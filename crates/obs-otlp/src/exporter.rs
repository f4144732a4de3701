//! Sends an encoded request, and retries it.

use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, TE};
use http::{Method, Request, Uri};
use tokio::time::sleep;

use crate::answer::{GRPC_PREFIX_LENGTH, Verdict};
use crate::client::Client;
use crate::closing::Closing;
use crate::json;
use crate::outcome::Outcome;
use crate::protocol::{Compression, Protocol};
use crate::signal::Signal;

/// The longest backoff, as a multiple of the first.
const MAX_BACKOFF_FACTOR: u32 = 25;

/// Where to send, and how.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) signal: Signal,
    pub(crate) protocol: Protocol,
    pub(crate) compression: Compression,
    /// With the path of the service.
    pub(crate) uri: Uri,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) timeout: Duration,
    pub(crate) retry_for: Duration,
    pub(crate) backoff: Duration,
}

/// Sends one signal's requests to one collector. Made by [`Options::exporter`](crate::Options::exporter).
///
/// It works on the tokio runtime that it is used on first, and on that alone: each pillar has a thread with one.
pub struct Exporter {
    client: Client,
    target: Target,
}

/// A request's body as it is sent: encoded once for all attempts.
#[derive(Clone, Debug)]
pub struct RequestBody(Bytes);

impl RequestBody {
    /// Bytes on the wire, without headers.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Exporter {
    pub(crate) fn new(client: Client, target: Target) -> Self {
        Self { client, target }
    }

    /// Where it sends to, without user, password and query.
    pub fn endpoint(&self) -> String {
        crate::client::redacted(&self.target.uri)
    }

    /// Makes the body from an encoded `Export{Trace,Metrics,Logs}ServiceRequest`, which begins at `start`: five
    /// bytes of room before it save a copy.
    pub fn pack(&self, buffer: Vec<u8>, start: usize) -> RequestBody {
        let target = &self.target;
        let (buffer, start) = match target.protocol {
            Protocol::HttpJson => {
                let json = json::json_of(target.signal, buffer.get(start..).unwrap_or_default());
                (json.into_bytes(), 0)
            }
            Protocol::Grpc | Protocol::HttpProtobuf => {
                let start = start.min(buffer.len());
                (buffer, start)
            }
        };
        RequestBody(match (target.protocol, target.compression) {
            (Protocol::Grpc, Compression::None) => frame(buffer, start),
            (_, Compression::None) => Bytes::from(buffer).slice(start..),
            #[cfg(feature = "gzip")]
            (Protocol::Grpc, Compression::Gzip) => {
                let mut framed = gzip(buffer.get(start..).unwrap_or_default(), GRPC_PREFIX_LENGTH);
                write_prefix(&mut framed, true);
                framed.into()
            }
            #[cfg(feature = "gzip")]
            (_, Compression::Gzip) => gzip(buffer.get(start..).unwrap_or_default(), 0).into(),
        })
    }

    /// Sends the request, and retries it after a transient failure until `retry_for` has elapsed or
    /// the deadline of the shutdown is reached.
    ///
    /// Calls `on_failure` after each attempt that failed.
    pub async fn deliver(
        &self,
        body: &RequestBody,
        closing: &mut Closing,
        on_failure: &mut (dyn FnMut(&str) + Send),
    ) -> Outcome {
        let started = Instant::now();
        let mut backoff = self.target.backoff;
        let max_backoff = backoff.saturating_mul(MAX_BACKOFF_FACTOR);
        loop {
            if closing.deadline().is_some_and(|deadline| deadline <= Instant::now()) {
                let reason = "shut down before it was sent".to_owned();
                return Outcome::Lost { reason };
            }
            let verdict = tokio::select! {
                biased;
                verdict = self.attempt(body) => verdict,
                () = closing.deadline_reached() => {
                    let reason = "shut down before the collector had answered".to_owned();
                    return match self.client.has_connected() {
                        true => Outcome::Unknown { reason },
                        false => Outcome::Lost { reason },
                    };
                }
            };
            let (after, reason) = match verdict {
                Verdict::Accepted { rejected, message } => {
                    return Outcome::Delivered { rejected, message };
                }
                Verdict::Refused { reason } => {
                    on_failure(&reason);
                    return Outcome::Lost { reason };
                }
                Verdict::Retry { after, reason } => (after, reason),
            };
            on_failure(&reason);
            let wait = after.unwrap_or_else(|| jittered(backoff));
            backoff = backoff.saturating_mul(2).min(max_backoff);
            if started.elapsed().saturating_add(wait) > self.target.retry_for
                || !wait_before_retry(wait, closing).await
            {
                return Outcome::Lost { reason };
            }
        }
    }

    async fn attempt(&self, body: &RequestBody) -> Verdict {
        match self.client.send(self.request(body), self.target.timeout).await {
            Ok(answer) => Verdict::from_answer(&answer, self.target.signal, self.target.protocol),
            Err(failure) => Verdict::retry(failure.to_string()),
        }
    }

    fn request(&self, body: &RequestBody) -> Request<Bytes> {
        let target = &self.target;
        let mut request = Request::new(body.0.clone());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = target.uri.clone();
        let headers = request.headers_mut();
        let (content_type, encoding) = match target.protocol {
            Protocol::Grpc => {
                headers.insert(TE, HeaderValue::from_static("trailers"));
                ("application/grpc", HeaderName::from_static("grpc-encoding"))
            }
            Protocol::HttpProtobuf => ("application/x-protobuf", CONTENT_ENCODING),
            Protocol::HttpJson => ("application/json", CONTENT_ENCODING),
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if target.compression != Compression::None {
            headers.insert(encoding, HeaderValue::from_static("gzip"));
        }
        for (name, value) in &target.headers {
            headers.insert(name.clone(), value.clone());
        }
        request
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").field("endpoint", &self.endpoint()).finish_non_exhaustive()
    }
}

/// Waits before the next attempt; a shutdown ends the wait. `false` when no time is left.
async fn wait_before_retry(wait: Duration, closing: &mut Closing) -> bool {
    match closing.deadline() {
        None => tokio::select! {
            () = sleep(wait) => true,
            () = closing.begun() => true,
        },
        Some(_) => tokio::select! {
            () = sleep(wait) => true,
            () = closing.deadline_reached() => false,
        },
    }
}

/// Between half of the backoff and all of it, so that the instances of a service do not retry at the same moment.
fn jittered(backoff: Duration) -> Duration {
    let share = obs_context::random_u64() as f64 / u64::MAX as f64 / 2.0;
    backoff / 2 + backoff.mul_f64(share)
}

/// The message in gRPC's frame; the bytes before `start` take the prefix.
fn frame(mut buffer: Vec<u8>, start: usize) -> Bytes {
    let Some(at) = start.checked_sub(GRPC_PREFIX_LENGTH) else {
        let mut framed = vec![0; GRPC_PREFIX_LENGTH];
        framed.extend_from_slice(buffer.get(start..).unwrap_or_default());
        write_prefix(&mut framed, false);
        return framed.into();
    };
    write_prefix(buffer.get_mut(at..).unwrap_or_default(), false);
    Bytes::from(buffer).slice(at..)
}

/// Whether the message that follows is compressed, and its length.
fn write_prefix(framed: &mut [u8], is_compressed: bool) {
    if let Some(([compressed, length @ ..], message)) =
        framed.split_first_chunk_mut::<GRPC_PREFIX_LENGTH>()
    {
        *compressed = u8::from(is_compressed);
        length.copy_from_slice(&(message.len() as u32).to_be_bytes());
    }
}

/// The compressed bytes, after this many bytes of headroom.
#[cfg(feature = "gzip")]
fn gzip(bytes: &[u8], headroom: usize) -> Vec<u8> {
    use std::io::Write;
    let mut compressed = Vec::with_capacity(headroom + bytes.len() / 4);
    compressed.resize(headroom, 0);
    let mut encoder = flate2::write::GzEncoder::new(compressed, flate2::Compression::fast());
    let _ = encoder.write_all(bytes); // a vector takes everything
    encoder.finish().unwrap_or_default()
}
