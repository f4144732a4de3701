//! The layer: `error!` events become errors, the others breadcrumbs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::core::{Core, ErrorOccurrence, StackSource};
use crate::details::ErrorDetails;
use crate::place::PlaceKey;
use crate::report::{ErrorId, Kind, SpanSoFar};

/// The target of obs-logging's line of a panic, which the hook captures itself.
const PANIC_TARGET: &str = "panic";

/// The layer that captures events of level ERROR, and keeps those below as breadcrumbs of their request.
///
/// Add it behind its own filter: `layer.with_filter(filter)`, with [`ErrorLayer::max_level`], so that it
/// enables nothing that it does not record.
pub struct ErrorLayer {
    core: Arc<Core>,
}

impl ErrorLayer {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// The lowest level that it records: that of the breadcrumbs or, without a sink, ERROR.
    pub fn max_level(&self) -> LevelFilter {
        match self.core.has_sink() {
            true => self.core.breadcrumbs.max(LevelFilter::ERROR),
            false => LevelFilter::ERROR,
        }
    }

    /// Whether it records events of this callsite.
    #[inline]
    pub fn is_enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.max_level()
    }

    /// Records an event, and returns the id of the error that was captured. For a layer that holds this one;
    /// as a layer it does so itself.
    pub fn record(
        &self,
        event: &Event<'_>,
        spans: impl FnOnce() -> Option<Vec<SpanSoFar>>,
    ) -> Option<ErrorId> {
        let metadata = event.metadata();
        if *metadata.level() != Level::ERROR {
            if self.is_enabled(metadata) {
                self.core.requests.add(event);
            }
            return None;
        }
        if metadata.target() == PANIC_TARGET && self.core.has_panic_hook.load(Relaxed) {
            return None;
        }
        let mut details = ErrorDetails::default();
        event.record(&mut details);
        let stack = match details.backtrace.take() {
            Some(text) => StackSource::Text(text),
            None => StackSource::Current,
        };
        let place = PlaceKey {
            kind: Kind::Event,
            file: metadata.file().unwrap_or(metadata.target()),
            line: metadata.line().unwrap_or(0),
        };
        self.core.record(ErrorOccurrence {
            kind: Kind::Event,
            place,
            target: metadata.target(),
            details,
            stack,
            spans: spans(),
            request: None,
        })
    }
}

impl<S> tracing_subscriber::Layer<S> for ErrorLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let spans = || {
            let scope = context.event_scope(event)?;
            let named = |name: &'static str| SpanSoFar { name: name.to_owned(), duration: None };
            Some(scope.from_root().map(|span| named(span.metadata().name())).collect())
        };
        self.record(event, || match self.core.spans {
            Some(_) => None,
            None => spans(),
        });
    }
}

impl fmt::Debug for ErrorLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorLayer").finish_non_exhaustive()
    }
}
