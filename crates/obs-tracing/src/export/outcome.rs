//! What a collector's answer means, by the OTLP specification.

use std::time::Duration;

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
    /// The panic may come again with the same spans: they are lost.
    pub(crate) fn exporter_panicked() -> Self {
        let reason = "the exporter panicked: mend it, its panics are in the log";
        Self::Refused { reason: reason.to_owned() }
    }
}
