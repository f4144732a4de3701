//! Reads a collector's answers.

use std::time::Duration;

use super::outcome::Outcome;

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

/// The fields of a message: number and content. Stops at what is no message.
pub(super) fn fields(mut message: &[u8]) -> impl Iterator<Item = (u64, Content<'_>)> {
    std::iter::from_fn(move || {
        let tag = read_varint(&mut message)?;
        let content = match tag as u32 & 7 {
            0 => Content::Number(read_varint(&mut message)?),
            1 => Content::Number(u64::from_le_bytes(take(&mut message)?)),
            5 => Content::Number(u64::from(u32::from_le_bytes(take(&mut message)?))),
            2 => {
                let length = usize::try_from(read_varint(&mut message)?).ok()?;
                let (bytes, rest) = message.split_at_checked(length)?;
                message = rest;
                Content::Bytes(bytes)
            }
            _ => return None,
        };
        Some((tag >> 3, content))
    })
}

pub(super) enum Content<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn read_varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn take<const N: usize>(message: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, rest) = message.split_first_chunk()?;
    *message = rest;
    Some(*bytes)
}
