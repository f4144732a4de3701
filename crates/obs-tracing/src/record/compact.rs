//! A span that lives long and changes its mind often must not grow for it.

use super::attribute::{Stored, Text};
use super::data::{EventName, Record};

/// Text below this is not worth looking through.
const WORTH_IT: usize = 64 * 1024;

impl Record {
    /// Leaves out texts that nothing refers to any more, when they may be half of all.
    #[inline]
    pub(super) fn compact(&mut self) {
        if self.text.len() >= self.compact_at.max(WORTH_IT) {
            self.compact_now();
        }
    }

    #[cold]
    fn compact_now(&mut self) {
        let former = std::mem::take(&mut self.text);
        let text = &mut self.text;
        let mut keep = |known: &mut Text| {
            let start = text.len();
            text.push_str(known.of(&former));
            *known = Text::new(start..text.len());
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
    fn values_that_were_replaced_are_left_out() {
        let (mut record, limits) = (Record::new(), Limits::default());
        let long = "x".repeat(4000);
        record.name = Some(record.keep("renamed", &limits));
        record.set("first", AttributeValue::Text("stays"), &limits);
        for number in 0..10_000 {
            let text = format!("{number} {long}");
            record.set("state", AttributeValue::Text(&text), &limits);
            record.set_status(Status::Error, &text, &limits);
            assert!(record.text.len() < 3 * WORTH_IT);
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
