//! Writes values into a record, within its limits.

use std::fmt;
#[cfg(feature = "http")]
use std::fmt::Write;
#[cfg(feature = "http")]
use std::net::IpAddr;

use fastant::Instant;
use obs_guard::Formatted;

use super::attribute::{Attribute, AttributeValue, Stored, TextRange};
use super::data::{Link, Record, SpanContext, SpanKind, Status};
use super::limits::Limits;
use crate::propagate::TraceParent;

impl Link {
    pub(crate) fn to(span: &SpanContext) -> Self {
        let flags = TraceParent::of(span).flags();
        Self { trace_id: span.trace_id, span_id: span.span_id, flags }
    }
}

impl Record {
    pub(crate) fn new() -> Self {
        Self {
            span_context: SpanContext::NONE,
            start: Instant::ZERO,
            end: None,
            name: None,
            kind: SpanKind::Internal,
            status: Status::Unset,
            status_message: None,
            attributes: Vec::new(),
            events: Vec::new(),
            event_attributes: Vec::new(),
            links: Vec::new(),
            text: String::new(),
            compact_at: 0,
            dropped_attributes: 0,
            dropped_events: 0,
            dropped_links: 0,
            entered_elsewhere: false,
            estimated_bytes: 0,
        }
    }

    /// Empties the record, and gives back room that only an unusual span needed.
    pub(crate) fn clear(&mut self) {
        const MAX_KEPT_TEXT: usize = 4096;
        const MAX_KEPT_ITEMS: usize = 64;
        self.span_context.release();
        self.end = None;
        self.name = None;
        self.kind = SpanKind::Internal;
        self.status = Status::Unset;
        self.status_message = None;
        self.attributes.clear();
        self.events.clear();
        self.event_attributes.clear();
        self.links.clear();
        self.text.clear();
        self.compact_at = 0;
        self.text.shrink_to(MAX_KEPT_TEXT);
        self.attributes.shrink_to(MAX_KEPT_ITEMS);
        self.events.shrink_to(MAX_KEPT_ITEMS);
        self.event_attributes.shrink_to(MAX_KEPT_ITEMS);
        self.links.shrink_to(MAX_KEPT_ITEMS);
        self.dropped_attributes = 0;
        self.dropped_events = 0;
        self.dropped_links = 0;
    }

    /// Its name so far.
    pub(crate) fn name(&self) -> &str {
        self.name.map_or(self.span_context.name, |name| name.of(&self.text))
    }

    /// Ends the span now, and weighs it.
    #[inline]
    pub(crate) fn finish(&mut self) {
        self.end = Some(Instant::now());
        let items = self.attributes.len() + self.event_attributes.len() + self.events.len();
        let bytes = self.text.len() + (items + self.links.len()) * size_of::<Attribute>();
        self.estimated_bytes = (size_of::<Self>() + bytes) as u32;
    }

    /// Adds an attribute that the span cannot have yet.
    #[inline]
    pub(crate) fn push(&mut self, key: &'static str, value: Stored, limits: &Limits) {
        if self.attributes.len() < limits.attributes as usize {
            self.attributes.push(Attribute { key, value });
        } else {
            self.dropped_attributes += 1;
        }
    }

    /// Adds an attribute or, where a span gives one name twice, keeps the later value.
    #[inline]
    pub(crate) fn put(&mut self, key: &'static str, value: Stored, limits: &Limits) {
        match self.attributes.iter_mut().find(|known| known.key == key) {
            Some(known) => known.value = value,
            None => self.push(key, value, limits),
        }
    }

    /// Adds an attribute, or changes the one of that name.
    pub(crate) fn set(&mut self, key: &'static str, value: AttributeValue<'_>, limits: &Limits) {
        self.compact();
        let value = self.store(value, limits);
        match self.attributes.iter_mut().find(|known| known.key == key) {
            Some(known) => known.value = value,
            None => self.push(key, value, limits),
        }
    }

    /// Adds a text that need not be copied, or changes the attribute of that name.
    #[cfg(feature = "http")]
    pub(crate) fn put_static(&mut self, key: &'static str, value: &'static str, limits: &Limits) {
        self.put(key, Stored::Static(value), limits);
    }

    /// Adds an address, or changes the attribute of that name.
    #[cfg(feature = "http")]
    pub(crate) fn put_address(&mut self, key: &'static str, address: IpAddr, limits: &Limits) {
        self.compact();
        let start = self.text.len();
        match address {
            // The usual one, without the formatter.
            IpAddr::V4(address) => {
                let [first, rest @ ..] = address.octets();
                push_octet(&mut self.text, first);
                for octet in rest {
                    self.text.push('.');
                    push_octet(&mut self.text, octet);
                }
            }
            IpAddr::V6(address) => {
                let _infallible = write!(self.text, "{address}");
            }
        }
        self.put(key, Stored::Text(TextRange::new(start..self.text.len())), limits);
    }

    #[inline]
    pub(crate) fn store(&mut self, value: AttributeValue<'_>, limits: &Limits) -> Stored {
        match value {
            AttributeValue::Bool(value) => Stored::Bool(value),
            AttributeValue::Int(value) => Stored::Int(value),
            AttributeValue::Double(value) => Stored::Double(value),
            AttributeValue::Text(value) => Stored::Text(self.push_text(value, limits)),
        }
    }

    /// Keeps a text, cut to the limit.
    #[inline]
    pub(crate) fn push_text(&mut self, value: &str, limits: &Limits) -> TextRange {
        let start = self.text.len();
        self.text.push_str(cut(value, limits.value_length as usize));
        TextRange::new(start..self.text.len())
    }

    /// Keeps two words with a space between them, cut to the limit.
    #[cfg(feature = "http")]
    pub(crate) fn push_words(&mut self, first: &str, second: &str, limits: &Limits) -> TextRange {
        let start = self.text.len();
        self.text.push_str(first);
        self.text.push(' ');
        self.text.push_str(second);
        let words = self.text.get(start..).unwrap_or_default();
        let kept = cut(words, limits.value_length as usize).len();
        self.text.truncate(start + kept);
        TextRange::new(start..self.text.len())
    }

    /// Keeps what is formatted, and stops the formatting at the limit.
    pub(crate) fn format(&mut self, value: fmt::Arguments<'_>, limits: &Limits) -> TextRange {
        let start = self.text.len();
        write_bounded(&mut self.text, value, limits);
        TextRange::new(start..self.text.len())
    }

    /// Sets the status by OpenTelemetry's rule: `Ok` is final, and `Unset` changes nothing.
    pub(crate) fn set_status(&mut self, status: Status, message: &str, limits: &Limits) {
        if self.status == Status::Ok || status == Status::Unset {
            return;
        }
        self.compact();
        self.status = status;
        let has_message = status == Status::Error && !message.is_empty();
        self.status_message = has_message.then(|| self.push_text(message, limits));
    }

    /// Merges later values: attributes replace those of the same name.
    pub(crate) fn merge(&mut self, later: &Self, limits: &Limits) {
        if self.end.is_some() {
            return;
        }
        self.compact();
        for attribute in &later.attributes {
            self.set(attribute.key, attribute.value.of(&later.text), limits);
        }
        if let Some(name) = later.name {
            self.name = Some(self.push_text(name.of(&later.text), limits));
        }
        if later.kind != SpanKind::Internal {
            self.kind = later.kind;
        }
        if later.status != Status::Unset {
            self.set_status(later.status, "", limits);
        }
        if let Some(message) = later.status_message {
            self.status_message = Some(self.push_text(message.of(&later.text), limits));
        }
        self.dropped_attributes += later.dropped_attributes;
    }

    pub(crate) fn link(&mut self, link: Link, limits: &Limits) {
        if self.links.len() < limits.links as usize {
            self.links.push(link);
        } else {
            self.dropped_links += 1;
        }
    }
}

#[cfg(feature = "http")]
fn push_octet(text: &mut String, octet: u8) {
    let digit = |value: u8| char::from(b'0' + value % 10);
    if octet >= 100 {
        text.push(digit(octet / 100));
    }
    if octet >= 10 {
        text.push(digit(octet / 10));
    }
    text.push(digit(octet));
}

/// The longest beginning of `value` that is no longer than `limit` bytes.
pub(crate) fn cut(value: &str, limit: usize) -> &str {
    if value.len() <= limit {
        return value;
    }
    obs_guard::truncated(value, limit)
}

/// Appends what the application's own code formats: no longer than the limit, and whatever it does.
pub(crate) fn write_bounded(text: &mut String, value: fmt::Arguments<'_>, limits: &Limits) {
    if obs_guard::write_args(text, value, limits.value_length as usize) == Formatted::Truncated {
        // OpenTelemetry cuts without a mark.
        text.truncate(text.len() - Formatted::Truncated.mark().len());
    }
}

#[cfg(all(test, feature = "http"))]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn limits(value_length: u32) -> Limits {
        Limits { value_length, ..Limits::default() }
    }

    #[test]
    fn ipv4_address_is_written_like_display() {
        for octet in 0..=u8::MAX {
            for address in [Ipv4Addr::new(octet, 0, 10, octet), Ipv4Addr::new(7, octet, 255, 99)] {
                let mut record = Record::new();
                record.put_address("a", address.into(), &limits(4096));
                assert_eq!(record.text, address.to_string());
            }
        }
    }

    #[test]
    fn words_are_cut_at_character_boundary() {
        for (limit, expected) in [(4096, "GET /é"), (6, "GET /"), (4, "GET "), (2, "GE"), (0, "")]
        {
            let mut record = Record::new();
            record.push_text("before", &limits(4096));
            let words = record.push_words("GET", "/é", &limits(limit));
            assert_eq!(words.of(&record.text), expected, "{limit}");
        }
    }
}
