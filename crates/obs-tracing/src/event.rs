//! Events of the log that are copied into their spans: an option, since the trace id joins them anyway.

use fastant::Instant;

use crate::pipeline::Pipeline;
use crate::record::{Attribute, AttributeValue, Event, EventName, Fields, Limits, Record};

/// Copies an event into the span: its message is the name, its fields and its level are attributes.
pub(crate) fn copy(pipeline: &Pipeline, id: u64, event: &tracing::Event<'_>) {
    // The values' own code runs here: not under the span's lock.
    let limits = &pipeline.limits;
    let mut said = Record::new();
    event.record(&mut Fields { record: &mut said, limits });
    pipeline.table.with(id, |record| add(record, &said, event.metadata(), limits));
}

fn add(record: &mut Record, said: &Record, metadata: &tracing::Metadata<'_>, limits: &Limits) {
    if record.end.is_some() {
        return;
    }
    if record.events.len() >= limits.events as usize {
        record.dropped_events += 1;
        return;
    }
    let is_message = |known: &&Attribute| known.key == "message";
    let name = match said.attributes.iter().find(is_message).map(|known| known.value.of(&said.text))
    {
        Some(AttributeValue::Text(message)) => message,
        _ => metadata.name(),
    };
    let name = EventName::Named(record.keep(name, limits));
    let first = record.event_attributes.len() as u32;
    let level = AttributeValue::Text(metadata.level().as_str());
    let fields = said.attributes.iter().filter(|known| !is_message(known));
    let fields = fields.map(|known| (known.key, known.value.of(&said.text)));
    let mut dropped_attributes = said.dropped_attributes;
    for (at, (key, value)) in [("level", level)].into_iter().chain(fields).enumerate() {
        if at >= limits.event_attributes as usize {
            dropped_attributes += 1;
            continue;
        }
        let value = record.store(value, limits);
        record.event_attributes.push(Attribute { key, value });
    }
    let attributes = (first, record.event_attributes.len() as u32);
    record.events.push(Event {
        time: Instant::now(),
        name,
        attributes,
        dropped_attributes,
        callsite: None,
    });
}
