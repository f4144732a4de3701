//! The fill level of the store, and what was rejected or evicted.

use serde::Serialize;

use crate::state::{Limits, State};

/// The state of a [`Store`](crate::Store), as `GET /api/stats` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// What is kept now.
    pub stored: StoredStats,
    /// What was taken since the start: spans, log lines, error events and metric samples.
    pub received: ReceivedStats,
    /// What was kept once and had to make room for newer things.
    pub evicted: EvictedStats,
    /// What was never kept.
    pub rejected: RejectedStats,
    /// How much is kept at most.
    pub limits: Limits,
}

/// What a [`Store`](crate::Store) keeps now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StoredStats {
    /// Traces.
    pub traces: u64,
    /// Spans.
    pub spans: u64,
    /// About how many bytes they take.
    pub span_bytes: u64,
    /// Log lines.
    pub logs: u64,
    /// About how many bytes they take.
    pub log_bytes: u64,
    /// Error events.
    pub errors: u64,
    /// About how many bytes they take.
    pub error_bytes: u64,
    /// Metric series.
    pub series: u64,
    /// About how many bytes they take.
    pub series_bytes: u64,
    /// Services that told something, or whose metrics or health are looked at.
    pub services: u64,
}

/// What a [`Store`](crate::Store) took since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ReceivedStats {
    /// Spans, the repeated ones too.
    pub spans: u64,
    /// Spans that had been sent before, and replaced what was kept.
    pub spans_repeated: u64,
    /// Log lines.
    pub logs: u64,
    /// Log lines that were no JSON, and are kept as text.
    pub logs_text: u64,
    /// Lines of a program of ours that were longer than 64 KiB, and are kept without their rest.
    pub logs_cut: u64,
    /// Error events, the repeated ones too.
    pub errors: u64,
    /// Error events that had been sent before, and are kept once.
    pub errors_repeated: u64,
    /// Items of envelopes that are no error events, such as sessions, and are not kept.
    pub envelope_items_ignored: u64,
    /// Metric samples.
    pub samples: u64,
    /// Spans, lines and error events that the console itself caused, and does not show.
    pub own: u64,
}

/// What a [`Store`](crate::Store) forgot to make room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct EvictedStats {
    /// Traces.
    pub traces: u64,
    /// Their spans.
    pub spans: u64,
    /// Log lines.
    pub logs: u64,
    /// Error events.
    pub errors: u64,
    /// Metric series.
    pub series: u64,
    /// Connections, closed for newer ones.
    pub connections: u64,
}

/// What a [`Store`](crate::Store) and its receivers never took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RejectedStats {
    /// Whole requests: too large, malformed, or of a wrong type.
    pub requests: u64,
    /// Spans.
    pub spans: u64,
    /// Log lines.
    pub logs: u64,
    /// Error events.
    pub errors: u64,
    /// Metric samples.
    pub samples: u64,
    /// Answers of probes.
    pub health: u64,
    /// Spans, lines and error events that are kept, but whose service is not listed: there are too many.
    pub services: u64,
    /// Attributes past the 256th of one owner.
    pub attributes: u64,
}

impl Stats {
    pub(super) fn new(state: &State, services: u64, limits: Limits) -> Self {
        let (traces, spans, span_bytes) = state.traces.size();
        let (logs, log_bytes) = state.logs.size();
        let (errors, error_bytes) = state.errors.size();
        let (series, series_bytes) = state.metrics.size();
        let counters = state.counters;
        Self {
            stored: StoredStats {
                traces: traces as u64,
                spans: spans as u64,
                span_bytes: span_bytes as u64,
                logs: logs as u64,
                log_bytes: log_bytes as u64,
                errors: errors as u64,
                error_bytes: error_bytes as u64,
                series: series as u64,
                series_bytes: series_bytes as u64,
                services,
            },
            received: ReceivedStats {
                spans: counters.spans_received,
                spans_repeated: counters.spans_repeated,
                logs: counters.logs_received,
                logs_text: counters.logs_text,
                logs_cut: counters.logs_cut,
                errors: counters.errors_received,
                errors_repeated: counters.errors_repeated,
                envelope_items_ignored: counters.envelope_items_ignored,
                samples: counters.samples_received,
                own: counters.own,
            },
            evicted: EvictedStats {
                traces: counters.traces_evicted,
                spans: counters.spans_evicted,
                logs: counters.logs_evicted,
                errors: counters.errors_evicted,
                series: counters.series_evicted,
                connections: counters.connections_evicted,
            },
            rejected: RejectedStats {
                requests: counters.requests_rejected,
                spans: counters.spans_rejected,
                logs: counters.logs_rejected,
                errors: counters.errors_rejected,
                samples: counters.samples_rejected,
                health: counters.health_rejected,
                services: counters.services_rejected,
                attributes: counters.attributes_dropped,
            },
            limits,
        }
    }
}
