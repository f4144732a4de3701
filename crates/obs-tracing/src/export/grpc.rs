//! A unary gRPC call, as much of the protocol as an export needs.
//!
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TE};
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use super::answer::retry_info;
use super::outcome::Outcome;

pub(crate) const PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// Before every message: whether it is compressed, and its length.
const PREFIX: usize = 5;
const LONGEST_ANSWER: usize = 64 * 1024;

/// The message in a frame; the room before `start` takes the prefix.
pub(super) fn frame(mut buffer: Vec<u8>, start: usize) -> Bytes {
    let length = (buffer.len() - start) as u32;
    let at = start.saturating_sub(PREFIX);
    if let Some([compressed, rest @ ..]) = buffer.get_mut(at..start) {
        *compressed = 0;
        rest.copy_from_slice(&length.to_be_bytes());
    }
    Bytes::from(buffer).slice(at..)
}

#[cfg(feature = "gzip")]
pub(super) fn frame_compressed(message: &[u8]) -> Bytes {
    let mut framed = Vec::with_capacity(PREFIX + message.len());
    framed.push(1);
    framed.extend_from_slice(&(message.len() as u32).to_be_bytes());
    framed.extend_from_slice(message);
    framed.into()
}

pub(super) fn headers(headers: &mut HeaderMap, compressed: bool) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    if compressed {
        headers.insert(HeaderName::from_static("grpc-encoding"), HeaderValue::from_static("gzip"));
    }
}

/// What the answer means (OTLP specification, "OTLP/gRPC Response").
pub(super) async fn outcome(response: Response<Incoming>) -> Outcome {
    let (head, body) = response.into_parts();
    if head.status != StatusCode::OK {
        return by_http_status(head.status);
    }
    if head.headers.contains_key("grpc-status") {
        return by_trailers(&head.headers, &[]);
    }
    match Limited::new(body, LONGEST_ANSWER).collect().await {
        Ok(collected) => {
            let trailers = collected.trailers().cloned().unwrap_or_default();
            by_trailers(&trailers, collected.to_bytes().get(PREFIX..).unwrap_or_default())
        }
        Err(error) => {
            Outcome::Retry { after: None, reason: format!("the answer broke off: {error}") }
        }
    }
}

fn by_trailers(trailers: &HeaderMap, message: &[u8]) -> Outcome {
    let text = |name: &str| trailers.get(name).and_then(|value| value.to_str().ok());
    let Some(code) = text("grpc-status").and_then(|code| code.parse::<u32>().ok()) else {
        return Outcome::Retry { after: None, reason: "the answer has no grpc-status".to_owned() };
    };
    if code == 0 {
        return Outcome::accepted(message);
    }
    let details = text("grpc-status-details-bin").and_then(base64);
    let after: Option<Duration> = details.and_then(|details| retry_info(&details));
    let reason = format!(
        "the collector answered gRPC status {code} ({}) {}",
        name(code),
        text("grpc-message").unwrap_or_default()
    );
    // The table of the specification; 8 only with the server's word that it can recover.
    match code {
        1 | 4 | 10 | 11 | 14 | 15 => Outcome::Retry { after, reason },
        8 if after.is_some() => Outcome::Retry { after, reason },
        _ => Outcome::Refused { reason },
    }
}

/// An answer that is no gRPC: from a proxy, or from another kind of server.
fn by_http_status(status: StatusCode) -> Outcome {
    let reason = format!("the collector answered HTTP {status}, not gRPC");
    match status.as_u16() {
        429 | 502 | 503 | 504 => Outcome::Retry { after: None, reason },
        _ => Outcome::Refused { reason },
    }
}

fn name(code: u32) -> &'static str {
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    NAMES.get(code as usize).copied().unwrap_or("unknown")
}

/// Standard base64, with or without padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut held) = (0_u32, 0);
    for sign in text.trim_end_matches('=').bytes() {
        let value = match sign {
            b'A'..=b'Z' => sign - b'A',
            b'a'..=b'z' => sign - b'a' + 26,
            b'0'..=b'9' => sign - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    Some(bytes)
}
