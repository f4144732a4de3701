//! What is not traced.

use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Filter};

use crate::{local, sql};

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

/// What a [`TraceLayer`](crate::TraceLayer) has a use for: spans up to a level, errors, and sqlx's
/// events while the current trace is recorded.
///
/// With it on the layer, callsites that no other layer wants cost nothing.
///
/// ```
/// use obs_tracing::{Builder, TraceFilter};
/// use tracing::level_filters::LevelFilter;
/// use tracing_subscriber::prelude::*;
///
/// let (layer, traces) = Builder::new("orders").build()?;
/// let subscriber = tracing_subscriber::registry().with(layer.with_filter(TraceFilter::new(LevelFilter::INFO)));
/// # drop((subscriber, traces));
/// # Ok::<(), obs_tracing::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TraceFilter {
    spans: LevelFilter,
}

impl TraceFilter {
    /// Lets spans up to this level through.
    pub const fn new(spans: LevelFilter) -> Self {
        Self { spans }
    }

    fn wants(self, metadata: &Metadata<'_>) -> bool {
        if metadata.is_span() {
            *metadata.level() <= self.spans && !is_telemetry(metadata)
        } else {
            *metadata.level() == Level::ERROR || sql::is_sqlx(metadata)
        }
    }
}

impl Default for TraceFilter {
    /// Spans up to INFO.
    fn default() -> Self {
        Self::new(LevelFilter::INFO)
    }
}

impl<S: Subscriber> Filter<S> for TraceFilter {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.wants(metadata) && (!sql::is_sqlx(metadata) || is_recording())
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        match (self.wants(metadata), sql::is_sqlx(metadata)) {
            (false, _) => Interest::never(),
            (true, true) => Interest::sometimes(),
            (true, false) => Interest::always(),
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.spans.max(LevelFilter::DEBUG)) // sqlx's events
    }
}

/// Whether the innermost span of this thread is recorded.
fn is_recording() -> bool {
    local::with(|local| local.innermost().is_some_and(|entry| entry.identity.recording))
        .unwrap_or_default()
}

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
