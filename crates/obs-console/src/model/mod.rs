//! The stored values: receivers make them, answers are made of them.

mod attributes;
mod error;
mod health;
mod log;
mod metric;
mod span;

pub use attributes::Attributes;
pub use error::{Breadcrumb, ErrorCause, ErrorEvent, ErrorFrame};
pub use health::Health;
pub use log::LogLine;
pub use metric::{Exemplar, Family, FamilyKind, MetricSource, Observation, Series, SeriesKind};
pub use span::{Span, SpanEvent, SpanKind, SpanLink, SpanStatus};

use obs_context::TraceId;
use serde::Serializer;

/// Items that are indexed by trace and request id.
pub(crate) trait Indexed {
    fn trace_id(&self) -> Option<TraceId>;
    fn request_id(&self) -> Option<&str>;
    /// About how many bytes of memory it takes, its places in the indexes included.
    fn bytes(&self) -> usize;
}

/// Serialises anything that has a text, an id for one, as that text.
pub(crate) fn as_text<T: std::fmt::Display, S: Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

pub(crate) fn optional_text<T: std::fmt::Display, S: Serializer>(
    value: &Option<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}

/// An instant in nanoseconds of Unix time as RFC 3339 in UTC, with microseconds.
pub(crate) fn rfc3339(unix_nanos: u64) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(unix_nanos)) {
        Ok(instant) => format!("{instant:.6}"),
        Err(_) => String::from("1970-01-01T00:00:00.000000Z"),
    }
}

/// Now, in nanoseconds of Unix time.
pub(crate) fn now_nanos() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
