//! Errors on spans: the exception event and the status.

use std::error::Error;
use std::fmt;

use fastant::Instant;
use obs_guard::once::debug_once;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};

use crate::pipeline::Pipeline;
use crate::record::{
    Attribute, AttributeValue, Chain, Event, EventName, Limits, Record, Status, Stored,
    write_bounded,
};

const TYPE: &str = "exception.type";
const MESSAGE: &str = "exception.message";

/// Records an error on the span: once, however many layers of the application report the same one.
pub(crate) fn record<E: Error + ?Sized>(error: &E, pipeline: &Pipeline, id: u64) {
    // The error's own code runs before the span is locked.
    let mut message = String::new();
    write_bounded(&mut message, format_args!("{}", Chain(&Wrapped(error))), &pipeline.limits);
    let name = std::any::type_name::<E>();
    let known = !name.starts_with("dyn ");
    let name = known.then_some(name);
    pipeline.table.with(id, |record| add(record, name, &message, None, &pipeline.limits));
}

/// An event of level ERROR inside a span is an error of that span.
pub(crate) fn of_event(pipeline: &Pipeline, id: u64, event: &tracing::Event<'_>) {
    let limits = &pipeline.limits;
    let mut says =
        Says { limits, message: String::new(), error: String::new(), rest: String::new() };
    event.record(&mut says);
    let message = match (says.message.is_empty(), says.error.is_empty()) {
        (false, false) => format!("{}: {}", says.message, says.error),
        (false, true) => says.message,
        (true, false) => says.error,
        (true, true) if says.rest.is_empty() => event.metadata().name().to_owned(),
        (true, true) => says.rest,
    };
    let callsite = Some(event.metadata().callsite());
    pipeline.table.with(id, |record| add(record, None, &message, callsite, limits));
}

fn add(
    record: &mut Record,
    name: Option<&'static str>,
    message: &str,
    callsite: Option<Identifier>,
    limits: &Limits,
) {
    if record.end.is_some() || has(record, message, callsite.as_ref()) {
        return;
    }
    record.set_status(Status::Error, message, limits);
    if record.events.len() >= limits.events as usize {
        record.dropped_events += 1;
        return;
    }
    let first = record.event_attributes.len() as u32;
    if let Some(name) = name {
        record.event_attributes.push(Attribute { key: TYPE, value: Stored::Static(name) });
    }
    let value = record.store(AttributeValue::Text(message), limits);
    record.event_attributes.push(Attribute { key: MESSAGE, value });
    let attributes = (first, record.event_attributes.len() as u32);
    let time = Instant::now();
    record.events.push(Event {
        time,
        name: EventName::Exception,
        attributes,
        dropped_attributes: 0,
        callsite,
    });
}

/// Whether the span has this exception already: the outer report of an error ends with the inner one, after
/// a colon. What one and the same place of the code reports again happened again.
fn has(record: &Record, message: &str, callsite: Option<&Identifier>) -> bool {
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

/// What an event of level ERROR says.
struct Says<'a> {
    limits: &'a Limits,
    message: String,
    error: String,
    /// The other fields: what there is to say of an event without either.
    rest: String,
}

impl Says<'_> {
    fn put(&mut self, field: &Field, value: impl fmt::Display) {
        let text = match field.name() {
            "message" => &mut self.message,
            "error" | "err" | "exception" => &mut self.error,
            name if self.rest.len() < self.limits.value_length as usize => {
                let gap = if self.rest.is_empty() { "" } else { " " };
                self.rest.extend([gap, name, "="]);
                return write_bounded(&mut self.rest, format_args!("{value}"), self.limits);
            }
            _ => return,
        };
        text.clear();
        write_bounded(text, format_args!("{value}"), self.limits);
    }
}

impl Visit for Says<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put(field, Chain(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        debug_once(field.index(), value, |value| self.put(field, value));
    }
}

/// Makes a trait object of an error that may be one already.
struct Wrapped<'a, E: ?Sized>(&'a E);

impl<E: Error + ?Sized> fmt::Debug for Wrapped<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, f)
    }
}

impl<E: Error + ?Sized> fmt::Display for Wrapped<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0, f)
    }
}

impl<E: Error + ?Sized> Error for Wrapped<'_, E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
