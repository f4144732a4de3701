//! Which metadata stands for records of the `log` crate.

use tracing_core::Metadata;

/// Whether the callsite stands for all records of the `log` crate: ours, or that of tracing-log.
pub(crate) fn is_bridge(metadata: &Metadata<'_>) -> bool {
    metadata.target() == "log" && metadata.fields().field("log.target").is_some()
}

/// Whether this describes one record of the `log` crate, with the record's own target.
pub(crate) fn is_record(metadata: &Metadata<'_>) -> bool {
    metadata.name() == "log record" && metadata.fields().field("log.target").is_some()
}
