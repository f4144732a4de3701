//! The pause that a receiver asks for.

use std::time::Duration;

use http::StatusCode;
use obs_otlp::client::Answer;

/// Where the receiver gives no time (Sentry's own default).
const DEFAULT_PAUSE: Duration = Duration::from_secs(60);
/// A longer pause is cut to this.
const MAX_PAUSE: Duration = Duration::from_secs(3600);

/// The pause that an answer asks for, for errors: `X-Sentry-Rate-Limits`, or a 429 with `Retry-After`.
pub(super) fn pause(answer: &Answer) -> Option<Duration> {
    let limits = answer.headers.get("x-sentry-rate-limits").and_then(|limits| limits.to_str().ok());
    let asked = match limits {
        Some(limits) => limits.split(',').filter_map(pause_of_errors).max(),
        None if answer.status == StatusCode::TOO_MANY_REQUESTS => {
            Some(answer.retry_after().unwrap_or(DEFAULT_PAUSE))
        }
        None => None,
    };
    asked.map(|pause| pause.min(MAX_PAUSE))
}

/// `60:error;transaction:key:reason`: seconds, categories (none: all), and what does not concern us.
fn pause_of_errors(limit: &str) -> Option<Duration> {
    let mut parts = limit.trim().split(':');
    let seconds = seconds(parts.next()?)?;
    let categories = parts.next().unwrap_or_default();
    let concerns = categories.is_empty() || categories.split(';').any(|known| known == "error");
    concerns.then_some(seconds)
}

/// Any number of seconds, also with a fraction, is a duration.
fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.trim().parse().ok()?;
    (seconds >= 0.0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(MAX_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pause_follows_rate_limit_headers() {
        let of = |status: u16, name: &'static str, value: &str| {
            let answer = http::Response::builder().status(status).header(name, value).body(());
            let (head, ()) = answer.unwrap().into_parts();
            let answer = Answer {
                status: head.status,
                headers: head.headers,
                body: bytes::Bytes::new(),
                trailers: http::HeaderMap::new(),
                is_complete: true,
            };
            pause(&answer).map(|pause| pause.as_secs())
        };
        for (status, name, value, wanted) in [
            (429, "retry-after", "7", Some(7)),
            (429, "retry-after", "99999999999999999999999", Some(3600)),
            (429, "retry-after", "soon", Some(60)),
            (429, "retry-after", "-1", Some(60)),
            (429, "retry-after", "Wed, 21 Oct 2015 07:28:00 GMT", Some(0)),
            (429, "x-other", "7", Some(60)),
            (200, "x-sentry-rate-limits", "30:error:organization", Some(30)),
            (200, "x-sentry-rate-limits", "30:transaction;error:key, 40::organization", Some(40)),
            (200, "x-sentry-rate-limits", "30:transaction:key", None),
            (200, "x-sentry-rate-limits", "NaN:error", None),
            (200, "retry-after", "7", None),
            (503, "retry-after", "7", None),
        ] {
            assert_eq!(of(status, name, value), wanted, "{status} {name}: {value}");
        }
    }
}
