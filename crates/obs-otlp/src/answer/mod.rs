//! What a collector's answer means, by the OTLP specification.

mod grpc;
mod http_date;
mod json;
mod protobuf;

use std::time::{Duration, UNIX_EPOCH};

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};

pub(crate) use grpc::PREFIX as GRPC_PREFIX;

use crate::client::Answer;
use crate::{Protocol, Signal};

/// What a person needs of a collector's text.
const LONGEST_TEXT: usize = 400;

/// What became of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The collector has it; it refused this many of the items.
    Accepted { rejected: u64, message: String },
    /// It may be sent again, after this long where the collector said so.
    Retry { after: Option<Duration>, reason: String },
    /// It must not be sent again.
    Refused { reason: String },
}

impl Verdict {
    pub(crate) fn retry(reason: impl Into<String>) -> Self {
        Self::Retry { after: None, reason: reason.into() }
    }

    pub(crate) fn of(answer: &Answer, signal: Signal, protocol: Protocol) -> Self {
        match protocol {
            Protocol::Grpc => grpc::verdict(answer),
            Protocol::HttpProtobuf | Protocol::HttpJson => http(answer, signal),
        }
    }
}

/// OTLP specification, "OTLP/HTTP Response". Any 2xx is a success, whatever the body: the collector has taken
/// the request, and another one would be a duplicate.
fn http(answer: &Answer, signal: Signal) -> Verdict {
    let status = answer.status;
    let content_type = answer.headers.get(CONTENT_TYPE);
    let is = |kind: &str| content_type.is_some_and(|of| of.as_bytes().starts_with(kind.as_bytes()));
    if status.is_success() {
        return match is("application/json") {
            true => json::accepted(&answer.body, signal),
            false => protobuf::accepted(&answer.body),
        };
    }
    let text = match is("application/x-protobuf") {
        true => protobuf::status_message(&answer.body).unwrap_or_default(),
        false => &answer.body[..],
    };
    let mut reason = format!("the collector answered {status}");
    if !text.is_empty() {
        reason = format!("{reason}: {}", shown(text));
    }
    match status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => {
            Verdict::Retry { after: retry_after(&answer.headers), reason }
        }
        status if status.is_redirection() => Verdict::Refused {
            reason: format!("{reason}; redirects are not followed: give the endpoint it leads to"),
        },
        _ => Verdict::Refused { reason },
    }
}

/// `Retry-After`: seconds, or a date; one that is over is now.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let now = UNIX_EPOCH.elapsed().unwrap_or_default();
    Some(Duration::from_secs(http_date::seconds(text)?).saturating_sub(now))
}

/// A foreign text for a log line: bounded, and without control characters.
fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text.get(..LONGEST_TEXT).unwrap_or(text));
    let plain = |sign: char| if sign.is_control() { ' ' } else { sign };
    text.trim().chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_seconds_or_a_date() {
        for (text, expected) in [
            ("7", Some(Duration::from_secs(7))),
            ("99999999999999999999999", Some(Duration::from_secs(u64::MAX))),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(Duration::ZERO)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter(
                text.parse().ok().map(|value: http::HeaderValue| (RETRY_AFTER, value)),
            );
            assert_eq!(retry_after(&headers), expected, "{text}");
        }
    }
}
