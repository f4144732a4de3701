//! Callsites that are never traced.

use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Filter};

use crate::{sql, thread_state};

/// Crates whose spans would be telemetry about telemetry: the transports of the export.
const HTTP_CRATES: [&str; 3] = ["h2", "hyper", "hyper_util"];
const OTEL_CRATES: [&str; 5] =
    ["opentelemetry", "opentelemetry_sdk", "opentelemetry_otlp", "obs_otlp", "obs_tracing"];

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
    events: LevelFilter,
    every_query: bool,
}

impl TraceFilter {
    /// Lets spans up to this level through.
    pub const fn new(spans: LevelFilter) -> Self {
        Self { spans, events: LevelFilter::ERROR, every_query: false }
    }

    /// Lets events up to this level through, to be copied into spans: see
    /// [`Builder::copy_events`](crate::Builder::copy_events).
    pub fn events(mut self, level: LevelFilter) -> Self {
        self.events = level.max(LevelFilter::ERROR);
        self
    }

    /// Lets sqlx's queries of unsampled traces through, too, for [`Builder::on_query`](crate::Builder::on_query):
    /// sqlx then formats the event of every query.
    pub fn every_query(mut self) -> Self {
        self.every_query = true;
        self
    }

    fn is_wanted(self, metadata: &Metadata<'_>) -> bool {
        if metadata.is_span() {
            *metadata.level() <= self.spans && !is_excluded(metadata)
        } else {
            *metadata.level() <= self.events || sql::is_sqlx(metadata)
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
        let is_measured = || self.every_query && sql::is_query(metadata);
        self.is_wanted(metadata) && (!sql::is_sqlx(metadata) || is_measured() || is_recording())
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        match (self.is_wanted(metadata), sql::is_sqlx(metadata)) {
            (false, _) => Interest::never(),
            (true, true) => Interest::sometimes(),
            (true, false) => Interest::always(),
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.spans.max(self.events).max(LevelFilter::DEBUG)) // sqlx's events
    }
}

/// Whether the innermost span of this thread is recorded.
fn is_recording() -> bool {
    thread_state::with(|thread| {
        thread.innermost().is_some_and(|entry| entry.span_context.recording)
    })
    .unwrap_or_default()
}

/// Whether the callsite belongs to one of the libraries that carry telemetry, or is one of sea-orm's own
/// steps: at TRACE it logs its pool, the values of statements, and the database's address with the
/// password.
#[inline]
pub(crate) fn is_excluded(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target().as_bytes();
    // Called for every span: most targets differ in their first letters.
    match target {
        [b'h', b'2' | b'y', ..] => HTTP_CRATES.iter().any(|package| is_in_crate(target, package)),
        [b'o', b'p' | b'b', ..] => OTEL_CRATES.iter().any(|package| is_in_crate(target, package)),
        [b't', b'o', b'n', ..] => is_in_crate(target, "tonic"),
        [b'r', b'u', b's', ..] => is_in_crate(target, "rustls"),
        [b's', b'e', b'a', b'_', ..] => {
            *metadata.level() == Level::TRACE && is_in_crate(target, "sea_orm")
        }
        _ => false,
    }
}

#[inline]
fn is_in_crate(target: &[u8], package: &str) -> bool {
    match target.strip_prefix(package.as_bytes()) {
        Some(rest) => rest.first().is_none_or(|next| *next == b':'),
        None => false,
    }
}
