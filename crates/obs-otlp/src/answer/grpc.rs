//! Reads an answer over gRPC, as much of the protocol as an export needs.
//!
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

use base64::Engine;
use http::{HeaderMap, StatusCode};

use super::protobuf;
use super::verdict::{Verdict, printable};
use crate::client::Answer;

/// Before every message: whether it is compressed, and its length.
pub(crate) const PREFIX_LENGTH: usize = 5;

/// Senders may omit the padding.
const LENIENT_BASE64: base64::engine::GeneralPurpose = base64::engine::GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    base64::engine::GeneralPurposeConfig::new()
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
);

/// OTLP specification, "OTLP/gRPC Response".
pub(super) fn verdict(answer: &Answer) -> Verdict {
    if answer.status != StatusCode::OK {
        return by_http_status(answer.status);
    }
    if answer.headers.contains_key("grpc-status") {
        return by_trailers(&answer.headers, &[]);
    }
    if !answer.is_complete {
        return Verdict::retry("the answer broke off");
    }
    by_trailers(&answer.trailers, answer.body.get(PREFIX_LENGTH..).unwrap_or_default())
}

fn by_trailers(trailers: &HeaderMap, message: &[u8]) -> Verdict {
    let text = |name: &str| trailers.get(name).and_then(|value| value.to_str().ok());
    let Some(code) = text("grpc-status").and_then(|code| code.parse::<u32>().ok()) else {
        return Verdict::retry("the answer has no grpc-status");
    };
    if code == 0 {
        return protobuf::accepted(message);
    }
    let details = text("grpc-status-details-bin").and_then(|text| LENIENT_BASE64.decode(text).ok());
    let after = details.and_then(|details| protobuf::retry_info(&details));
    let message = text("grpc-message").unwrap_or_default();
    let message = crate::environment::percent_decode(message).unwrap_or_else(|| message.to_owned());
    let reason = format!(
        "the collector answered gRPC status {code} ({}) {}",
        obs_guard::grpc_code_name(code).unwrap_or("unknown"),
        printable(message.as_bytes())
    );
    // The table of the specification; 8 is retried only with `RetryInfo`.
    match code {
        1 | 4 | 10 | 11 | 14 | 15 => Verdict::Retry { after, reason },
        8 if after.is_some() => Verdict::Retry { after, reason },
        12 => Verdict::Refused { reason: format!("{reason}; {UNIMPLEMENTED_REMEDY}") },
        _ => Verdict::Refused { reason },
    }
}

const UNIMPLEMENTED_REMEDY: &str =
    "where it takes other signals only, set this one's OTEL_..._EXPORTER to none";

/// An answer that is not gRPC: from a proxy, or from another kind of server.
fn by_http_status(status: StatusCode) -> Verdict {
    let reason = format!("the collector answered HTTP {status}, not gRPC");
    match status.as_u16() {
        429 | 502 | 503 | 504 => Verdict::Retry { after: None, reason },
        _ => Verdict::Refused { reason },
    }
}
