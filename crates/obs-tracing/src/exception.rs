//! Errors on spans: the exception event and the status.

use std::error::Error;
use std::fmt;

use fastant::Instant;
use tracing::field::{Field, Visit};

use crate::pipeline::Pipeline;
use crate::record::{
    Attribute, AttributeValue, Chain, Event, EventName, Limits, Record, Status, Stored,
};

const TYPE: &str = "exception.type";
const MESSAGE: &str = "exception.message";

/// Records an error on the span: once, however many layers of the application report the same one.
pub(crate) fn record<E: Error + ?Sized>(error: &E, pipeline: &Pipeline, id: u64) {
    // The error's own code runs before the span is locked.
    let message = Chain(&Wrapped(error)).to_string();
    let name = std::any::type_name::<E>();
    let known = !name.starts_with("dyn ");
    let name = known.then_some(name);
    pipeline.table.with(id, |record| add(record, name, &message, &pipeline.limits));
}

/// An event of level ERROR inside a span is an error of that span.
pub(crate) fn of_event(pipeline: &Pipeline, id: u64, event: &tracing::Event<'_>) {
    let mut says = Says::default();
    event.record(&mut says);
    let message = match (says.message.is_empty(), says.error.is_empty()) {
        (false, false) => format!("{}: {}", says.message, says.error),
        (true, _) => says.error,
        (_, true) => says.message,
    };
    pipeline.table.with(id, |record| add(record, None, &message, &pipeline.limits));
}

fn add(record: &mut Record, name: Option<&'static str>, message: &str, limits: &Limits) {
    if record.end.is_some() || has(record, message) {
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
    });
}

/// Whether the span has this exception already: the outer report of an error contains the inner one.
fn has(record: &Record, message: &str) -> bool {
    record.events.iter().filter(|event| matches!(event.name, EventName::Exception)).any(|event| {
        let attributes =
            record.event_attributes.get(event.attributes.0 as usize..event.attributes.1 as usize);
        attributes.unwrap_or_default().iter().any(|attribute| match attribute.value {
            Stored::Text(text) if attribute.key == MESSAGE => {
                let known = text.of(&record.text);
                !known.is_empty() && (message == known || message.ends_with(known))
            }
            _ => false,
        })
    })
}

/// What an event of level ERROR says.
#[derive(Default)]
struct Says {
    message: String,
    error: String,
}

impl Says {
    fn put(&mut self, field: &Field, value: impl fmt::Display) {
        match field.name() {
            "message" => self.message = value.to_string(),
            "error" | "err" | "exception" => self.error = value.to_string(),
            _ => {}
        }
    }
}

impl Visit for Says {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put(field, Chain(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format_args!("{value:?}"));
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
