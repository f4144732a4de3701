//! A response, and the wait that it asks for.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};

use super::http_date;

/// A response with its body.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as much of it as arrived in time and within the limit.
    pub body: Bytes,
    /// The trailers.
    pub trailers: HeaderMap,
    /// Whether the body ended in time and within the limit.
    pub is_complete: bool,
}

impl Answer {
    /// The wait that `Retry-After` asks for, as seconds or as a date, which may be
    /// in the past.
    pub fn retry_after(&self) -> Option<Duration> {
        retry_after(&self.headers)
    }
}

/// `Retry-After`: seconds, or a date; one that is over is now.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let now = UNIX_EPOCH.elapsed().unwrap_or_default();
    Some(Duration::from_secs(http_date::seconds(text)?).saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_date() {
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
