//! A collector's protobuf answer.

use std::time::Duration;

use super::verdict::{Verdict, printable};
use crate::wire::{Content, fields};

/// An `Export{Trace,Metrics,Logs}ServiceResponse`: their partial successes have the same fields.
pub(super) fn accepted(response: &[u8]) -> Verdict {
    let (mut rejected, mut message) = (0, String::new());
    for (_, content) in fields(response).filter(|(field, _)| *field == 1) {
        let Content::Bytes(partial_success_is_read) = content else { continue };
        for (field, content) in fields(partial_success_is_read) {
            match (field, content) {
                (1, Content::Number(items)) => {
                    rejected = u64::try_from(items.cast_signed()).unwrap_or(0);
                }
                (2, Content::Bytes(text)) => message = printable(text),
                _ => {}
            }
        }
    }
    Verdict::Accepted { rejected, message }
}

/// The message of a `google.rpc.Status`.
pub(super) fn status_message(status: &[u8]) -> Option<&[u8]> {
    fields(status).find_map(|(field, content)| match content {
        Content::Bytes(text) if field == 2 => Some(text),
        _ => None,
    })
}

/// The delay in a `google.rpc.Status` that holds a `RetryInfo`.
pub(super) fn retry_info(status: &[u8]) -> Option<Duration> {
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
