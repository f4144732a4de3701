//! Logs and traces as one layer.
//!
//! Two layers with filters of their own would each look every span up at every enter and exit, to learn
//! whether their filter had let it through; and where one wants what the other does not, the other's answer
//! is kept in a thread-local until the event comes. Here both are told of everything that one of them wants,
//! and ask their own filters.

use std::any::TypeId;

use ::tracing::span::{Attributes, Id, Record};
use ::tracing::subscriber::Interest;
use ::tracing::{Dispatch, Event, Metadata};
use obs_context::SpanFollower;
#[cfg(feature = "errors")]
use obs_errors::ErrorLayer;
use obs_guard::once;
use obs_logging::{LogFilter, LogLayer};
use obs_tracing::{TraceFilter, TraceLayer};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::{Layer, Registry};

const MAX_LINE_VALUE_BYTES: usize = 64 * 1024;

type Now<'a> = Context<'a, Registry>;

/// Traces first: what they make current is there when the lines are told.
pub(crate) struct Pillars {
    traces: TraceLayer,
    filter: TraceFilter,
    /// Lines and, where there is a collector for them, records.
    logs: Vec<LogLayer<Registry>>,
    #[cfg(feature = "errors")]
    errors: Option<ErrorLayer>,
    /// Bytes of one value that any of them reads.
    max_value_bytes: usize,
}

impl Pillars {
    pub(crate) fn new(
        traces: TraceLayer,
        filter: TraceFilter,
        logs: impl IntoIterator<Item = LogLayer<Registry>>,
    ) -> Self {
        let max_value_bytes = traces.max_value_bytes().max(MAX_LINE_VALUE_BYTES);
        let logs = logs.into_iter().collect();
        Self {
            traces,
            filter,
            logs,
            #[cfg(feature = "errors")]
            errors: None,
            max_value_bytes,
        }
    }

    /// What this layer wants of the process, for where it is one of several.
    pub(crate) fn filter(&self) -> PillarsFilter {
        let logs = self.logs.iter().map(|log| log.filter().clone()).collect();
        PillarsFilter { traces: self.filter, logs }
    }

    /// Errors first: the line and the span of an error name it.
    #[cfg(feature = "errors")]
    pub(crate) fn with_errors(mut self, errors: ErrorLayer) -> Self {
        self.errors = Some(errors);
        self
    }

    /// Whether errors are told of such an event: of what is logged or an exception of its span, and of no
    /// more.
    #[cfg(feature = "errors")]
    fn is_for_errors(&self, metadata: &Metadata<'_>) -> bool {
        self.errors.as_ref().is_some_and(|errors| errors.is_enabled(metadata))
    }

    #[cfg(not(feature = "errors"))]
    fn is_for_errors(&self, _: &Metadata<'_>) -> bool {
        false
    }

    /// Tells errors of an event, and the others after them: what they write names the error.
    #[cfg(feature = "errors")]
    fn after_errors(&self, event: &Event<'_>, others: impl FnOnce()) {
        let Some(errors) =
            self.errors.as_ref().filter(|errors| errors.is_enabled(event.metadata()))
        else {
            return others();
        };
        let captured = errors.record(event, || None);
        let is_error = *event.metadata().level() == ::tracing::Level::ERROR;
        match captured.or_else(|| obs_errors::current_error_id().filter(|_| is_error)) {
            None => others(),
            Some(id) => {
                let id = id.to_string();
                obs_tracing::set_attribute("obs.error.id", id.as_str());
                let context = obs_logging::Context::child();
                context.bind("error.id", id.as_str());
                let entered = context.enter();
                others();
                drop(entered);
            }
        }
    }

    #[cfg(not(feature = "errors"))]
    fn after_errors(&self, _: &Event<'_>, others: impl FnOnce()) {
        others();
    }

    /// A value that several will format is formatted once: a second time it may be empty, or panic.
    fn for_readers(&self, readers: usize, tell: impl FnOnce()) {
        match readers {
            0 | 1 => tell(),
            _ => once::scope(self.max_value_bytes, tell),
        }
    }

    fn readers(&self, metadata: &Metadata<'_>, now: &Now<'_>) -> usize {
        self.logs.iter().filter(|log| Filter::enabled(log.filter(), metadata, now)).count()
    }

    fn is_traced(&self, metadata: &'static Metadata<'static>) -> bool {
        !Filter::<Registry>::callsite_enabled(&self.filter, metadata).is_never()
    }
}

impl Layer<Registry> for Pillars {
    fn on_register_dispatch(&self, subscriber: &Dispatch) {
        Layer::<Registry>::on_register_dispatch(&self.traces, subscriber);
        for log in &self.logs {
            Layer::<Registry>::on_register_dispatch(log.inner(), subscriber);
        }
    }

    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        interest(&self.filter, self.logs.iter().map(LogLayer::filter), metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        max_level(&self.filter, self.logs.iter().map(LogLayer::filter))
    }

    fn enabled(&self, metadata: &Metadata<'_>, now: Now<'_>) -> bool {
        is_enabled(&self.filter, self.logs.iter().map(LogLayer::filter), metadata, &now)
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, now: Now<'_>) {
        let metadata = attributes.metadata();
        let is_traced = self.is_traced(metadata);
        self.for_readers(usize::from(is_traced) + self.readers(metadata, &now), || {
            if is_traced {
                self.traces.on_new_span(attributes, id, now.clone());
            }
            for log in &self.logs {
                if Filter::enabled(log.filter(), metadata, &now) {
                    log.filter().on_new_span(attributes, id, now.clone());
                    log.inner().on_new_span(attributes, id, now.clone());
                }
            }
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, now: Now<'_>) {
        self.for_readers(1 + self.logs.len(), || {
            self.traces.on_record(id, values, now.clone());
            for log in &self.logs {
                log.filter().on_record(id, values, now.clone());
                log.inner().on_record(id, values, now.clone());
            }
        });
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, now: Now<'_>) {
        self.traces.on_follows_from(id, follows, now);
    }

    fn on_event(&self, event: &Event<'_>, now: Now<'_>) {
        let metadata = event.metadata();
        let is_traced = Filter::enabled(&self.filter, metadata, &now);
        let for_errors = self.is_for_errors(metadata);
        let readers = match is_traced || for_errors || self.logs.len() > 1 {
            true => usize::from(is_traced) + usize::from(for_errors) + self.readers(metadata, &now),
            false => self.logs.len(),
        };
        self.for_readers(readers, || {
            self.after_errors(event, || {
                self.traces.on_event(event, now.clone());
                for log in &self.logs {
                    if Filter::enabled(log.filter(), metadata, &now) {
                        log.inner().on_event(event, now.clone());
                    }
                }
            });
        });
    }

    fn on_enter(&self, id: &Id, now: Now<'_>) {
        self.traces.on_enter(id, now.clone());
        for log in &self.logs {
            log.filter().on_enter(id, now.clone());
            log.inner().on_enter(id, now.clone());
        }
    }

    fn on_exit(&self, id: &Id, now: Now<'_>) {
        self.traces.on_exit(id, now.clone());
        for log in &self.logs {
            log.filter().on_exit(id, now.clone());
            log.inner().on_exit(id, now.clone());
        }
    }

    fn on_close(&self, id: Id, now: Now<'_>) {
        self.traces.on_close(id.clone(), now.clone());
        for log in &self.logs {
            log.filter().on_close(id.clone(), now.clone());
            log.inner().on_close(id.clone(), now.clone());
        }
    }

    #[allow(unsafe_code, reason = "the only way through a subscriber to one of its layers")]
    unsafe fn downcast_raw(&self, id: TypeId) -> Option<*const ()> {
        // Traces are told of every span here: the lines need not.
        if id == TypeId::of::<SpanFollower>() {
            return None;
        }
        // SAFETY: the caller's promise is handed on; what it points to lives as long as this layer.
        unsafe { Layer::<Registry>::downcast_raw(&self.traces, id) }
    }
}

/// Asks what [`Pillars`] asks, for where `tracing_subscriber` asks each layer's filter.
pub(crate) struct PillarsFilter {
    traces: TraceFilter,
    logs: Vec<LogFilter>,
}

impl Filter<Registry> for PillarsFilter {
    fn enabled(&self, metadata: &Metadata<'_>, now: &Now<'_>) -> bool {
        is_enabled(&self.traces, self.logs.iter(), metadata, now)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        interest(&self.traces, self.logs.iter(), metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        max_level(&self.traces, self.logs.iter())
    }
}

fn is_enabled<'a>(
    traces: &TraceFilter,
    mut logs: impl Iterator<Item = &'a LogFilter>,
    metadata: &Metadata<'_>,
    now: &Now<'_>,
) -> bool {
    Filter::enabled(traces, metadata, now) || logs.any(|log| log.wants_now(metadata, now))
}

/// Always, as soon as one wants it always: the others ask their filters again.
fn interest<'a>(
    traces: &TraceFilter,
    logs: impl Iterator<Item = &'a LogFilter>,
    metadata: &'static Metadata<'static>,
) -> Interest {
    let traces = Filter::<Registry>::callsite_enabled(traces, metadata);
    let logs = logs.map(|log| Filter::<Registry>::callsite_enabled(log, metadata));
    logs.fold(traces, |one, other| match (one.is_always(), one.is_never()) {
        (true, _) => one,
        (_, true) => other,
        _ if other.is_always() => other,
        _ => one,
    })
}

/// None stands for everything.
fn max_level<'a>(
    traces: &TraceFilter,
    logs: impl Iterator<Item = &'a LogFilter>,
) -> Option<LevelFilter> {
    let traces = Filter::<Registry>::max_level_hint(traces);
    let logs = logs.map(Filter::<Registry>::max_level_hint);
    logs.fold(traces, |one, other| Some(one?.max(other?)))
}
