//! The breadcrumbs of a request: a ring of short texts in one allocation.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::time::SystemTime;

use obs_guard::once::debug_once;
use obs_guard::write_args;
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use crate::fields::Fields;
use crate::report::Breadcrumb;

/// Breadcrumbs of one request.
const MAX_BREADCRUMBS: usize = 50;
/// Bytes of their texts, in all.
pub(crate) const MAX_REQUEST_BYTES: usize = 8 * 1024;
/// Bytes of one value.
const MAX_VALUE_BYTES: usize = 512;

/// The breadcrumbs of one request.
#[derive(Debug, Default)]
pub(crate) struct Breadcrumbs {
    entries: VecDeque<Entry>,
    text: String,
}

#[derive(Debug)]
struct Entry {
    time: SystemTime,
    level: Level,
    target: &'static str,
    start: usize,
    /// Where the message ends and the fields begin.
    fields: usize,
}

/// An event as text, before the lock of its request is taken.
pub(crate) struct FormattedEvent {
    text: String,
    fields: usize,
    level: Level,
    target: &'static str,
}

thread_local! {
    /// A text to reuse.
    static SPARE_TEXT: Cell<String> = const { Cell::new(String::new()) };
}

impl FormattedEvent {
    /// Runs the application's formatting: no lock may be held.
    pub(crate) fn format(event: &Event<'_>) -> Self {
        let mut text = SPARE_TEXT.try_with(Cell::take).unwrap_or_default();
        text.clear();
        let mut writer = Writer { text: &mut text, fields: 0 };
        event.record(&mut writer);
        let fields = writer.fields;
        let metadata = event.metadata();
        Self { text, fields, level: *metadata.level(), target: metadata.target() }
    }

    /// Keeps the allocation for the next event.
    pub(crate) fn discard(self) {
        if self.text.capacity() <= 2 * MAX_REQUEST_BYTES {
            let _gone_with_its_thread = SPARE_TEXT.try_with(|spare| spare.set(self.text));
        }
    }
}

impl Breadcrumbs {
    pub(crate) fn add(&mut self, event_text: &FormattedEvent) {
        if self.text.len() + event_text.text.len() > MAX_REQUEST_BYTES
            || self.entries.len() >= MAX_BREADCRUMBS
        {
            self.evict_older_half();
        }
        let start = self.text.len();
        self.text.push_str(&event_text.text);
        self.entries.push_back(Entry {
            time: SystemTime::now(),
            level: event_text.level,
            target: event_text.target,
            start,
            fields: start + event_text.fields,
        });
    }

    /// Bytes of its allocations.
    pub(crate) fn capacity(&self) -> usize {
        self.text.capacity() + self.entries.capacity() * size_of::<Entry>()
    }

    /// Removes the older half.
    #[cold]
    fn evict_older_half(&mut self) {
        self.entries.drain(..self.entries.len().div_ceil(2));
        let evicted = self.entries.front().map_or(self.text.len(), |entry| entry.start);
        self.text.drain(..evicted);
        for entry in &mut self.entries {
            entry.start -= evicted;
            entry.fields -= evicted;
        }
    }

    /// All of them, the oldest first.
    pub(crate) fn read(&self) -> Vec<Breadcrumb> {
        let ends = self.entries.iter().skip(1).map(|entry| entry.start).chain([self.text.len()]);
        let part = |from, to| self.text.get(from..to).unwrap_or_default();
        let breadcrumbs = self.entries.iter().zip(ends).map(|(entry, end)| Breadcrumb {
            time: entry.time,
            level: entry.level,
            target: entry.target,
            message: part(entry.start, entry.fields).to_owned(),
            fields: Fields::parse(part(entry.fields, end)),
        });
        breadcrumbs.collect()
    }
}

/// Writes the message and, behind it, the fields as `name unit value record`, to be parsed when they are
/// needed.
struct Writer<'a> {
    text: &'a mut String,
    /// Where the message ends.
    fields: usize,
}

impl Writer<'_> {
    fn message(&mut self, message: fmt::Arguments<'_>) {
        if self.text.is_empty() {
            write_args(self.text, message, MAX_VALUE_BYTES);
            self.fields = self.text.len();
        } else {
            // The message follows a field, which the macros do not do.
            let mut text = String::new();
            write_args(&mut text, message, MAX_VALUE_BYTES);
            text.push_str(self.text.get(self.fields..).unwrap_or_default());
            self.fields = text.len() - (self.text.len() - self.fields);
            *self.text = text;
        }
    }

    fn field(&mut self, field: &Field, write: impl FnOnce(&mut String)) {
        if self.text.len() <= MAX_REQUEST_BYTES {
            self.text.push_str(field.name());
            self.text.push(Fields::UNIT_SEPARATOR);
            write(self.text);
            self.text.push(Fields::RECORD_SEPARATOR);
        }
    }
}

impl Visit for Writer<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.field(field, |text| Fields::put_f64(text, value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field, |text| Fields::put_i64(text, value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field, |text| Fields::put_u64(text, value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field, |text| {
            text.push(Fields::JSON_MARK);
            text.push_str(if value { "true" } else { "false" });
        });
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            return self.message(format_args!("{value}"));
        }
        self.field(field, |text| {
            let start = text.len();
            if value.len() <= MAX_VALUE_BYTES {
                text.push_str(value);
            } else {
                write_args(text, format_args!("{value}"), MAX_VALUE_BYTES);
            }
            Fields::replace_separators(text, start);
        });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        debug_once(field.index(), value, |value| {
            if field.name() == "message" {
                return self.message(value);
            }
            self.field(field, |text| {
                let start = text.len();
                write_args(text, value, MAX_VALUE_BYTES);
                Fields::replace_separators(text, start);
            });
        });
    }
}
