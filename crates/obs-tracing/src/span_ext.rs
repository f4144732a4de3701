//! Manual spans: what `tracing`'s macros cannot express.

use std::backtrace::Backtrace;
use std::sync::Arc;

use fastant::Instant;
use obs_context::ActiveSpan;
use obs_guard::AsError;
use tracing::Span;

use crate::exception;
use crate::handle::Handle;
use crate::pipeline::Pipeline;
use crate::propagate::RemoteContext;
use crate::record::{
    Attribute, AttributeValue, Event, EventName, Limits, Link, Record, SpanContext, Status,
};
use crate::thread_state;

/// Sets an attribute of the current span; an existing one of that name is changed. Unlike a field, it
/// need not be declared when the span is created.
///
/// Like all functions of this kind it does nothing where there is no span, or where it is not sampled.
pub fn set_attribute<'a>(key: &'static str, value: impl Into<AttributeValue<'a>>) {
    let value = value.into();
    with_current(|record, limits| record.set(key, value, limits));
}

/// Records an error on the current span: an exception event with the error, its sources and its type,
/// and the status ERROR. The same error recorded again, by an outer function, changes nothing.
///
/// It takes any type of [`std::error::Error`], a `dyn Error`, a box of one, an `anyhow::Error` and an `eyre::Report`.
pub fn record_error<K, E: AsError<K> + ?Sized>(error: &E) {
    if let Some(handle) = current_span() {
        handle.record_error(error, None);
    }
}

/// Records an error as [`record_error`] does, with its backtrace as `exception.stacktrace`: up to
/// [`Limits::value_length`](crate::Limits::value_length). Where the span is recorded and the backtrace was captured it is
/// resolved here, which may take milliseconds.
///
/// ```
/// # fn charge() -> Result<(), std::io::Error> { Err(std::io::ErrorKind::Other.into()) }
/// if let Err(error) = charge() {
///     obs_tracing::record_error_with_backtrace(&error, &std::backtrace::Backtrace::capture());
/// }
/// ```
pub fn record_error_with_backtrace<K, E: AsError<K> + ?Sized>(error: &E, backtrace: &Backtrace) {
    if let Some(handle) = current_span() {
        handle.record_error(error, Some(backtrace));
    }
}

/// Sets the current span's status; `message` counts for [`Status::Error`] alone.
pub fn set_status(status: Status, message: &str) {
    with_current(|record, limits| record.set_status(status, message, limits));
}

/// Adds an event to the current span: something that happened at this moment.
pub fn add_event(name: &str, attributes: &[(&'static str, AttributeValue<'_>)]) {
    with_current(|record, limits| event(record, name, attributes, limits));
}

/// Links the current span to another one, of another request: the messages of a batch, say.
pub fn add_link(to: &RemoteContext) {
    with_current(|record, limits| link(record, to, limits));
}

/// The same for a `tracing::Span` that need not be the current one.
///
/// ```
/// use obs_tracing::{SpanExt, Status};
///
/// let span = tracing::info_span!("charge");
/// span.set_attribute("payment.id", 17);
/// span.set_status(Status::Ok, "");
/// ```
pub trait SpanExt {
    /// See [`set_attribute`].
    fn set_attribute<'a>(&self, key: &'static str, value: impl Into<AttributeValue<'a>>);

    /// See [`record_error`].
    fn record_error<K, E: AsError<K> + ?Sized>(&self, error: &E);

    /// See [`record_error_with_backtrace`].
    fn record_error_with_backtrace<K, E: AsError<K> + ?Sized>(
        &self,
        error: &E,
        backtrace: &Backtrace,
    );

    /// See [`set_status`].
    fn set_status(&self, status: Status, message: &str);

    /// See [`add_event`].
    fn add_event(&self, name: &str, attributes: &[(&'static str, AttributeValue<'_>)]);

    /// See [`add_link`].
    fn add_link(&self, to: &RemoteContext);

    /// The span's ids or, where a filter keeps it out of the trace, those of its nearest ancestor that is in
    /// one; `None` when no [`TraceLayer`](crate::TraceLayer) knows either.
    fn context(&self) -> Option<ActiveSpan>;
}

impl SpanExt for Span {
    fn set_attribute<'a>(&self, key: &'static str, value: impl Into<AttributeValue<'a>>) {
        let value = value.into();
        with_span(self, |record, limits| record.set(key, value, limits));
    }

    fn record_error<K, E: AsError<K> + ?Sized>(&self, error: &E) {
        // As an `error!` in the span does: where it is not traced, its nearest ancestor's.
        if let Some(handle) = find_or_ancestor(self) {
            handle.record_error(error, None);
        }
    }

    fn record_error_with_backtrace<K, E: AsError<K> + ?Sized>(
        &self,
        error: &E,
        backtrace: &Backtrace,
    ) {
        if let Some(handle) = find_or_ancestor(self) {
            handle.record_error(error, Some(backtrace));
        }
    }

    fn set_status(&self, status: Status, message: &str) {
        with_span(self, |record, limits| record.set_status(status, message, limits));
    }

    fn add_event(&self, name: &str, attributes: &[(&'static str, AttributeValue<'_>)]) {
        with_span(self, |record, limits| event(record, name, attributes, limits));
    }

    fn add_link(&self, to: &RemoteContext) {
        with_span(self, |record, limits| link(record, to, limits));
    }

    fn context(&self) -> Option<ActiveSpan> {
        find_or_ancestor(self).map(|handle| handle.span_context.active())
    }
}

/// A span, and where its record is.
#[derive(Clone, Debug)]
pub(crate) struct SpanHandle {
    pub(crate) id: u64,
    pub(crate) span_context: SpanContext,
    pub(crate) pipeline: Arc<Pipeline>,
}

impl SpanHandle {
    /// Whether there is a record here: what a parent process recorded is that process's.
    pub(crate) fn is_recording(&self) -> bool {
        self.span_context.recording && !self.pipeline.is_inherited()
    }

    /// Changes the span's record. Nothing changes a span that is not recorded, or that is over.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Record, &Limits)) {
        if !self.is_recording() {
            return;
        }
        self.pipeline.table.with(self.id, |record| {
            if record.end.is_none() {
                change(record, &self.pipeline.limits);
            }
        });
    }

    fn record_error<K, E: AsError<K> + ?Sized>(&self, error: &E, backtrace: Option<&Backtrace>) {
        if self.is_recording() {
            exception::record(error, backtrace, &self.pipeline, self.id);
        }
    }
}

fn current_span() -> Option<SpanHandle> {
    thread_state::with(|thread| {
        let entry = thread.innermost()?;
        let pipeline = thread.pipeline(entry.layer)?;
        Some(SpanHandle { id: entry.record, span_context: entry.span_context.clone(), pipeline })
    })
    .flatten()
}

fn find(span: &Span) -> Option<SpanHandle> {
    span.with_subscriber(|(id, dispatch)| {
        let handle = dispatch.downcast_ref::<Handle>()?;
        let (id, pipeline) = (id.into_u64(), Arc::clone(handle.pipeline()));
        Some(SpanHandle { id, span_context: handle.find(id)?, pipeline })
    })
    .flatten()
}

fn find_or_ancestor(span: &Span) -> Option<SpanHandle> {
    span.with_subscriber(|(id, dispatch)| {
        let handle = dispatch.downcast_ref::<Handle>()?;
        let (id, span_context) = handle.find_or_ancestor(id.into_u64())?;
        Some(SpanHandle { id, span_context, pipeline: Arc::clone(handle.pipeline()) })
    })
    .flatten()
}

fn with_current(change: impl FnOnce(&mut Record, &Limits)) {
    if let Some(handle) = current_span() {
        handle.change(change);
    }
}

fn with_span(span: &Span, change: impl FnOnce(&mut Record, &Limits)) {
    if let Some(handle) = find(span) {
        handle.change(change);
    }
}

fn event(
    record: &mut Record,
    name: &str,
    attributes: &[(&'static str, AttributeValue<'_>)],
    limits: &Limits,
) {
    if record.events.len() >= limits.events as usize {
        record.dropped_events += 1;
        return;
    }
    let first = record.event_attributes.len() as u32;
    let kept = attributes.len().min(limits.event_attributes as usize);
    for (key, value) in &attributes[..kept] {
        let value = record.store(*value, limits);
        record.event_attributes.push(Attribute { key, value });
    }
    let name = EventName::Named(record.push_text(name, limits));
    record.events.push(Event {
        time: Instant::now(),
        name,
        attributes: (first, first + kept as u32),
        dropped_attributes: (attributes.len() - kept) as u32,
        callsite: None,
    });
}

fn link(record: &mut Record, to: &RemoteContext, limits: &Limits) {
    if to.is_valid() {
        let flags = u8::from(to.is_sampled()) | u8::from(to.is_random()) << 1;
        record.link(Link { trace_id: to.trace_id(), span_id: to.span_id(), flags }, limits);
    }
}
