//! Log events copied into their spans: optional, since the trace id joins them anyway.

use fastant::Instant;

use crate::pipeline::Pipeline;
use crate::record::{Attribute, AttributeValue, Event, EventName, FieldRecorder, Limits, Record};

/// Copies an event into the span: its message is the name, its fields and its level are attributes.
pub(crate) fn copy(pipeline: &Pipeline, id: u64, event: &tracing::Event<'_>) {
    // The values' own code runs here: not under the span's lock.
    let limits = &pipeline.limits;
    let mut recorded = Record::new();
    event.record(&mut FieldRecorder { record: &mut recorded, limits });
    pipeline.table.with(id, |record| add(record, &recorded, event.metadata(), limits));
}

fn add(record: &mut Record, recorded: &Record, metadata: &tracing::Metadata<'_>, limits: &Limits) {
    if record.end.is_some() {
        return;
    }
    if record.events.len() >= limits.events as usize {
        record.dropped_events += 1;
        return;
    }
    let is_message = |attribute: &&Attribute| attribute.key == "message";
    let name = match recorded
        .attributes
        .iter()
        .find(is_message)
        .map(|attribute| attribute.value.of(&recorded.text))
    {
        Some(AttributeValue::Text(message)) => message,
        _ => metadata.name(),
    };
    let name = EventName::Named(record.push_text(name, limits));
    let first = record.event_attributes.len() as u32;
    let level = AttributeValue::Text(metadata.level().as_str());
    let fields = recorded.attributes.iter().filter(|attribute| !is_message(attribute));
    let fields = fields.map(|attribute| (attribute.key, attribute.value.of(&recorded.text)));
    let mut dropped_attributes = recorded.dropped_attributes;
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
