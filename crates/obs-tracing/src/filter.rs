//! What is not traced.

use tracing::Metadata;

/// Crates whose spans would be telemetry about telemetry: the transports of the export.
const TELEMETRY: [&str; 9] = [
    "h2",
    "hyper",
    "hyper_util",
    "tonic",
    "rustls",
    "opentelemetry",
    "opentelemetry_sdk",
    "opentelemetry_otlp",
    "obs_tracing",
];

/// Whether the callsite belongs to one of the libraries that carry telemetry.
#[inline]
pub(crate) fn is_telemetry(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    // Almost every target is told apart by its first letter.
    if !matches!(target.as_bytes().first(), Some(b'h' | b't' | b'r' | b'o')) {
        return false;
    }
    let package = target.split_once("::").map_or(target, |(package, _)| package);
    TELEMETRY.contains(&package)
}
