//! What a collector's answer means, by the OTLP specification.

mod grpc;
mod json;
mod protobuf;
mod verdict;

use http::StatusCode;
use http::header::CONTENT_TYPE;

pub(crate) use grpc::PREFIX_LENGTH as GRPC_PREFIX_LENGTH;
pub(crate) use verdict::Verdict;

use crate::client::Answer;
use crate::protocol::Protocol;
use crate::signal::Signal;
use verdict::printable;

impl Verdict {
    pub(crate) fn from_answer(answer: &Answer, signal: Signal, protocol: Protocol) -> Self {
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
    let has_type =
        |kind: &str| content_type.is_some_and(|of| of.as_bytes().starts_with(kind.as_bytes()));
    if status.is_success() {
        return match has_type("application/json") {
            true => json::accepted(&answer.body, signal),
            false => protobuf::accepted(&answer.body),
        };
    }
    let text = match has_type("application/x-protobuf") {
        true => protobuf::status_message(&answer.body).unwrap_or_default(),
        false => &answer.body[..],
    };
    let mut reason = format!("the collector answered {status}");
    if !text.is_empty() {
        reason = format!("{reason}: {}", printable(text));
    }
    match status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Verdict::Retry { after: answer.retry_after(), reason },
        status if status.is_redirection() => Verdict::Refused {
            reason: format!("{reason}; redirects are not followed: give the endpoint it leads to"),
        },
        _ => Verdict::Refused { reason },
    }
}
