//! Limits of the store.

use serde::Serialize;

/// How much a [`Store`](crate::Store) keeps. Bytes are estimates: with spans of
/// five attributes, log lines of two fields and series of three labels, the process grew by 1.03 to 1.06
/// times as many (glibc, x86-64).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Limits {
    /// Traces; past it the oldest is evicted. 10,000 by default.
    pub traces: usize,
    /// Spans of one trace; past it further ones are turned away. 10,000 by default.
    pub spans_per_trace: usize,
    /// Bytes of all spans; past it the oldest trace is evicted. 64 MiB by default.
    pub span_bytes: usize,
    /// Log lines; past it the oldest is evicted. 100,000 by default.
    pub logs: usize,
    /// Bytes of all log lines; past it the oldest is evicted. 32 MiB by default.
    pub log_bytes: usize,
    /// Error events; past it the oldest is evicted. 10,000 by default.
    pub errors: usize,
    /// Bytes of all error events; past it the oldest is evicted. 32 MiB by default.
    pub error_bytes: usize,
    /// Metric series; past it the ones that their service tells no longer are evicted, then new ones
    /// turned away. One service may have half of them. 50,000 by default.
    pub series: usize,
    /// Bytes of all series with their history; past it history is shortened, then new series are
    /// turned away. One service may have half of them. 32 MiB by default.
    pub series_bytes: usize,
    /// Services whose metrics and health are kept; past it new ones are turned away. 64 by default.
    pub services: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            traces: 10_000,
            spans_per_trace: 10_000,
            span_bytes: 64 << 20,
            logs: 100_000,
            log_bytes: 32 << 20,
            errors: 10_000,
            error_bytes: 32 << 20,
            series: 50_000,
            series_bytes: 32 << 20,
            services: 64,
        }
    }
}
