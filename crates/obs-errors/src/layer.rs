//! `error!` events as errors, the others as what led to them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::core::{Core, Happened, StackOf};
use crate::place::Key;
use crate::report::{ErrorId, Kind, SpanSoFar};
use crate::told::Told;

/// The target of the line that obs-logging writes of a panic, which the hook tells of.
const PANIC: &str = "panic";

/// The layer that captures events of level ERROR, and keeps those below as breadcrumbs of their request.
///
/// Add it behind its own filter: `layer.with_filter(filter)`, with [`ErrorLayer::max_level`], so that it
/// enables nothing that it does not read.
pub struct ErrorLayer {
    core: Arc<Core>,
}

impl ErrorLayer {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// The lowest level that it reads: that of the breadcrumbs or, where nobody is told of errors, ERROR.
    pub fn max_level(&self) -> LevelFilter {
        match self.core.tells() {
            true => self.core.breadcrumbs.max(LevelFilter::ERROR),
            false => LevelFilter::ERROR,
        }
    }

    /// Whether it reads such an event.
    #[inline]
    pub fn reads(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.max_level()
    }

    /// Takes an event, and answers the id of the error that was captured. For a layer that holds this one;
    /// as a layer it does so itself.
    pub fn take(
        &self,
        event: &Event<'_>,
        spans: impl FnOnce() -> Option<Vec<SpanSoFar>>,
    ) -> Option<ErrorId> {
        let metadata = event.metadata();
        if *metadata.level() != Level::ERROR {
            if self.reads(metadata) {
                self.core.requests.add(event);
            }
            return None;
        }
        if metadata.target() == PANIC && self.core.hooked.load(Relaxed) {
            return None;
        }
        let mut told = Told::default();
        event.record(&mut told);
        let stack = match told.backtrace.take() {
            Some(text) => StackOf::Text(text),
            None => StackOf::Here,
        };
        let place = Key {
            kind: Kind::Event,
            file: metadata.file().unwrap_or(metadata.target()),
            line: metadata.line().unwrap_or(0),
        };
        self.core.happened(Happened {
            kind: Kind::Event,
            place,
            target: metadata.target(),
            told,
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
        self.take(event, || match self.core.spans {
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
