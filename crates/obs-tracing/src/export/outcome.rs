//! What a collector's answer means, by the OTLP specification.

use std::time::Duration;

use super::proto::{Content, fields};

/// What became of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The collector has it; it refused this many of the spans.
    Accepted { rejected: u64, message: String },
    /// It may be sent again, after this long where the collector said so.
    Retry { after: Option<Duration>, reason: String },
    /// It must not be sent again.
    Refused { reason: String },
}

impl Outcome {
    /// From an `ExportTraceServiceResponse`.
    pub(crate) fn accepted(response: &[u8]) -> Self {
        let (mut rejected, mut message) = (0, String::new());
        for (_, content) in fields(response).filter(|(field, _)| *field == 1) {
            let Content::Bytes(partial_success) = content else { continue };
            for (field, content) in fields(partial_success) {
                match (field, content) {
                    (1, Content::Number(spans)) => rejected = spans,
                    (2, Content::Bytes(text)) => {
                        message = String::from_utf8_lossy(text).into_owned();
                    }
                    _ => {}
                }
            }
        }
        Self::Accepted { rejected, message }
    }
}

/// The delay in a `google.rpc.Status` that holds a `RetryInfo`.
pub(crate) fn retry_info(status: &[u8]) -> Option<Duration> {
    let details = fields(status).filter_map(|(field, content)| match content {
        Content::Bytes(any) if field == 3 => Some(any),
        _ => None,
    });
    details.into_iter().find_map(|any| {
        let mut is_retry_info = false;
        let mut value: &[u8] = &[];
        for (field, content) in fields(any) {
            match (field, content) {
                (1, Content::Bytes(url)) => {
                    is_retry_info = url.ends_with(b"google.rpc.RetryInfo");
                }
                (2, Content::Bytes(bytes)) => value = bytes,
                _ => {}
            }
        }
        let delay = fields(value).find_map(|(field, content)| match content {
            Content::Bytes(delay) if field == 1 => Some(delay),
            _ => None,
        });
        is_retry_info.then(|| duration(delay.unwrap_or_default()))
    })
}

/// A `google.protobuf.Duration`.
fn duration(message: &[u8]) -> Duration {
    let mut total = Duration::ZERO;
    for (field, content) in fields(message) {
        match (field, content) {
            (1, Content::Number(seconds)) => total += Duration::from_secs(seconds.min(86_400)),
            (2, Content::Number(nanos)) => total += Duration::from_nanos(nanos.min(999_999_999)),
            _ => {}
        }
    }
    total
}
