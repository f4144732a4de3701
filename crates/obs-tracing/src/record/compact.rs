//! Drops replaced values, so that a long-lived span does not grow.

use super::attribute::{Stored, TextRange};
use super::data::{EventName, Record};

/// Text below this size is not compacted.
const MIN_COMPACT_BYTES: usize = 64 * 1024;

impl Record {
    /// Leaves out texts that nothing refers to any more, when they may be half of all.
    #[inline]
    pub(super) fn compact(&mut self) {
        if self.text.len() >= self.compact_at.max(MIN_COMPACT_BYTES) {
            self.compact_now();
        }
    }

    #[cold]
    fn compact_now(&mut self) {
        let former = std::mem::take(&mut self.text);
        let text = &mut self.text;
        let mut keep = |known: &mut TextRange| {
            let start = text.len();
            text.push_str(known.of(&former));
            *known = TextRange::new(start..text.len());
        };
        self.name.iter_mut().chain(&mut self.status_message).for_each(&mut keep);
        for attribute in self.attributes.iter_mut().chain(&mut self.event_attributes) {
            if let Stored::Text(known) = &mut attribute.value {
                keep(known);
            }
        }
        for event in &mut self.events {
            if let EventName::Named(name) = &mut event.name {
                keep(name);
            }
        }
        self.compact_at = self.text.len() * 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{AttributeValue, Limits, Status};

    #[test]
    fn compacting_drops_replaced_values() {
        let (mut record, limits) = (Record::new(), Limits::default());
        let long = "x".repeat(4000);
        record.name = Some(record.push_text("renamed", &limits));
        record.set("first", AttributeValue::Text("stays"), &limits);
        for number in 0..10_000 {
            let text = format!("{number} {long}");
            record.set("state", AttributeValue::Text(&text), &limits);
            record.set_status(Status::Error, &text, &limits);
            assert!(record.text.len() < 3 * MIN_COMPACT_BYTES);
        }
        let text = |stored| match stored {
            Stored::Text(text) => text.of(&record.text).to_owned(),
            _ => String::new(),
        };
        assert_eq!(record.name.map(|name| name.of(&record.text)), Some("renamed"));
        assert_eq!(text(record.attributes[0].value), "stays");
        assert_eq!(text(record.attributes[1].value), format!("9999 {long}"));
    }
}
