//! From an encoded request to a collector's word about it.

use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, TE};
use http::{Method, Request, Uri};
use tokio::time::sleep;

use crate::answer::{GRPC_PREFIX, Verdict};
use crate::client::Client;
use crate::closing::Closing;
use crate::json;
use crate::outcome::Outcome;
use crate::protocol::{Compression, Protocol};
use crate::signal::Signal;

/// The longest wait between two attempts, in first waits.
const LONGEST_BACKOFF: u32 = 25;

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

/// A request's body as it goes over the wire, made once and sent as often as it takes.
#[derive(Clone, Debug)]
pub struct Package(Bytes);

impl Package {
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
        crate::client::shown(&self.target.uri)
    }

    /// Makes the body of an encoded `Export{Trace,Metrics,Logs}ServiceRequest`, which begins at `start`: five
    /// bytes of room before it save a copy.
    pub fn pack(&self, buffer: Vec<u8>, start: usize) -> Package {
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
        Package(match (target.protocol, target.compression) {
            (Protocol::Grpc, Compression::None) => frame(buffer, start),
            (_, Compression::None) => Bytes::from(buffer).slice(start..),
            #[cfg(feature = "gzip")]
            (Protocol::Grpc, Compression::Gzip) => {
                let mut framed = gzip(buffer.get(start..).unwrap_or_default(), GRPC_PREFIX);
                write_prefix(&mut framed, true);
                framed.into()
            }
            #[cfg(feature = "gzip")]
            (_, Compression::Gzip) => gzip(buffer.get(start..).unwrap_or_default(), 0).into(),
        })
    }

    /// Sends until the request's fate is known: again after a failure that may pass, until `retry_for` is over or
    /// the deadline of the shutdown has come.
    ///
    /// `failing` is told of each attempt that failed.
    pub async fn deliver(
        &self,
        package: &Package,
        closing: &mut Closing,
        failing: &mut (dyn FnMut(&str) + Send),
    ) -> Outcome {
        let begun = Instant::now();
        let mut backoff = self.target.backoff;
        let longest = backoff.saturating_mul(LONGEST_BACKOFF);
        loop {
            if closing.deadline().is_some_and(|deadline| deadline <= Instant::now()) {
                let reason = "shut down before it was sent".to_owned();
                return Outcome::Lost { reason };
            }
            let verdict = tokio::select! {
                biased;
                verdict = self.attempt(package) => verdict,
                () = closing.over() => {
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
                    failing(&reason);
                    return Outcome::Lost { reason };
                }
                Verdict::Retry { after, reason } => (after, reason),
            };
            failing(&reason);
            let wait = after.unwrap_or_else(|| jittered(backoff));
            backoff = backoff.saturating_mul(2).min(longest);
            if begun.elapsed().saturating_add(wait) > self.target.retry_for
                || !wait_for(wait, closing).await
            {
                return Outcome::Lost { reason };
            }
        }
    }

    async fn attempt(&self, package: &Package) -> Verdict {
        match self.client.send(self.request(package), self.target.timeout).await {
            Ok(answer) => Verdict::of(&answer, self.target.signal, self.target.protocol),
            Err(failure) => Verdict::retry(failure.to_string()),
        }
    }

    fn request(&self, package: &Package) -> Request<Bytes> {
        let target = &self.target;
        let mut request = Request::new(package.0.clone());
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

/// Waits before the next attempt; a shutdown cuts it short. `false` when there is no time left.
async fn wait_for(wait: Duration, closing: &mut Closing) -> bool {
    match closing.deadline() {
        None => tokio::select! {
            () = sleep(wait) => true,
            () = closing.known() => true,
        },
        Some(_) => tokio::select! {
            () = sleep(wait) => true,
            () = closing.over() => false,
        },
    }
}

/// Between half of it and all of it, so that a fleet does not come back at the same moment.
fn jittered(backoff: Duration) -> Duration {
    let share = obs_context::random_u64() as f64 / u64::MAX as f64 / 2.0;
    backoff / 2 + backoff.mul_f64(share)
}

/// The message in gRPC's frame; the room before `start` takes the prefix.
fn frame(mut buffer: Vec<u8>, start: usize) -> Bytes {
    let Some(at) = start.checked_sub(GRPC_PREFIX) else {
        let mut framed = vec![0; GRPC_PREFIX];
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
        framed.split_first_chunk_mut::<GRPC_PREFIX>()
    {
        *compressed = u8::from(is_compressed);
        length.copy_from_slice(&(message.len() as u32).to_be_bytes());
    }
}

/// Compressed, after so many bytes of room.
#[cfg(feature = "gzip")]
fn gzip(bytes: &[u8], room: usize) -> Vec<u8> {
    use std::io::Write;
    let mut compressed = Vec::with_capacity(room + bytes.len() / 4);
    compressed.resize(room, 0);
    let mut encoder = flate2::write::GzEncoder::new(compressed, flate2::Compression::fast());
    let _ = encoder.write_all(bytes); // a vector takes everything
    encoder.finish().unwrap_or_default()
}
