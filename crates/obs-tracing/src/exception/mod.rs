//! Errors on spans: the exception event and the status.

mod error_event;

use std::backtrace::{Backtrace, BacktraceStatus};

use fastant::Instant;
use obs_guard::AsError;
use tracing::callsite::Identifier;

use crate::pipeline::Pipeline;
use crate::record::{
    Attribute, AttributeValue, ErrorChain, Event, EventName, Limits, Record, Status, Stored, cut,
    write_bounded,
};
use error_event::ErrorEvent;

const TYPE: &str = "exception.type";
const MESSAGE: &str = "exception.message";
const STACKTRACE: &str = "exception.stacktrace";

/// What there is to say of an exception.
#[derive(Default)]
struct Exception<'a> {
    kind: Option<AttributeValue<'a>>,
    message: &'a str,
    stacktrace: Option<&'a str>,
    /// Where the code reports it, where an event does.
    callsite: Option<Identifier>,
}

/// Records an error on the span: once, however many layers of the application report the same one.
pub(crate) fn record<K, E: AsError<K> + ?Sized>(
    error: &E,
    backtrace: Option<&Backtrace>,
    pipeline: &Pipeline,
    id: u64,
) {
    let limits = &pipeline.limits;
    // The error's own code runs before the span is locked.
    let mut message = String::new();
    error.with_error(|error| {
        write_bounded(&mut message, format_args!("{}", ErrorChain(error)), limits);
    });
    let captured = |backtrace: &&Backtrace| backtrace.status() == BacktraceStatus::Captured;
    let stacktrace = backtrace.filter(captured).map(|backtrace| {
        let mut text = String::new();
        write_bounded(&mut text, format_args!("{backtrace}"), limits);
        text
    });
    let kind = error.type_name().map(AttributeValue::Text);
    let exception =
        Exception { kind, message: &message, stacktrace: stacktrace.as_deref(), callsite: None };
    pipeline.table.with(id, |record| add(record, &exception, limits));
}

/// An event of level ERROR inside a span is an error of that span.
pub(crate) fn record_event(pipeline: &Pipeline, id: u64, event: &tracing::Event<'_>) {
    let limits = &pipeline.limits;
    let error_event = ErrorEvent::of(event, limits);
    let exception = Exception {
        kind: error_event.kind().map(AttributeValue::Text),
        message: &error_event.summary(),
        stacktrace: error_event.stacktrace(),
        callsite: Some(event.metadata().callsite()),
    };
    pipeline.table.with(id, |record| add(record, &exception, limits));
}

fn add(record: &mut Record, exception: &Exception<'_>, limits: &Limits) {
    let message = cut(exception.message, limits.value_length as usize);
    if record.end.is_some() || has_exception(record, message, exception.callsite.as_ref()) {
        return;
    }
    record.set_status(Status::Error, message, limits);
    if record.events.len() >= limits.events as usize {
        record.dropped_events += 1;
        return;
    }
    let attributes = [
        (MESSAGE, Some(AttributeValue::Text(message))),
        (TYPE, exception.kind),
        (STACKTRACE, exception.stacktrace.map(AttributeValue::Text)),
    ];
    let first = record.event_attributes.len();
    let mut dropped_attributes = 0;
    for (key, value) in attributes.into_iter().filter_map(|(key, value)| Some((key, value?))) {
        if record.event_attributes.len() - first >= limits.event_attributes as usize {
            dropped_attributes += 1;
            continue;
        }
        let value = record.store(value, limits);
        record.event_attributes.push(Attribute { key, value });
    }
    record.events.push(Event {
        time: Instant::now(),
        name: EventName::Exception,
        attributes: (first as u32, record.event_attributes.len() as u32),
        dropped_attributes,
        callsite: exception.callsite.clone(),
    });
}

/// Whether the span has this exception already: the outer report of an error ends with the inner one, after
/// a colon. What one and the same place of the code reports again happened again.
fn has_exception(record: &Record, message: &str, callsite: Option<&Identifier>) -> bool {
    let exceptions =
        record.events.iter().filter(|event| matches!(event.name, EventName::Exception));
    let others =
        exceptions.filter(|event| callsite.is_none() || event.callsite.as_ref() != callsite);
    others.into_iter().any(|event| {
        let attributes =
            record.event_attributes.get(event.attributes.0 as usize..event.attributes.1 as usize);
        attributes.unwrap_or_default().iter().any(|attribute| match attribute.value {
            Stored::Text(text) if attribute.key == MESSAGE => {
                let known = text.of(&record.text);
                let before = message.strip_suffix(known).filter(|_| !known.is_empty());
                before.is_some_and(|before| before.is_empty() || before.ends_with(": "))
            }
            _ => false,
        })
    })
}
