//! What a request has logged so far: a ring of short texts in one allocation.

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

/// How many breadcrumbs a request keeps: those before the last ones say little.
const MOST: usize = 50;
/// Bytes of their texts, in all.
pub(crate) const MOST_BYTES: usize = 8 * 1024;
/// Bytes of one value.
const LONGEST_VALUE: usize = 512;

/// The breadcrumbs of one request.
#[derive(Debug, Default)]
pub(crate) struct Crumbs {
    heads: VecDeque<Head>,
    text: String,
}

#[derive(Debug)]
struct Head {
    time: SystemTime,
    level: Level,
    target: &'static str,
    start: usize,
    /// Where the message ends and the fields begin.
    fields: usize,
}

/// An event that was written down, before it is known where it goes.
pub(crate) struct Written {
    text: String,
    fields: usize,
    level: Level,
    target: &'static str,
}

thread_local! {
    /// A text to reuse.
    static SPARE: Cell<String> = const { Cell::new(String::new()) };
}

impl Written {
    /// Runs the application's own formatting: no lock may be held.
    pub(crate) fn of(event: &Event<'_>) -> Self {
        let mut text = SPARE.try_with(Cell::take).unwrap_or_default();
        text.clear();
        let mut writer = Writer { text: &mut text, fields: 0 };
        event.record(&mut writer);
        let fields = writer.fields;
        let metadata = event.metadata();
        Self { text, fields, level: *metadata.level(), target: metadata.target() }
    }

    /// Keeps the room for the next one.
    pub(crate) fn discard(self) {
        if self.text.capacity() <= 2 * MOST_BYTES {
            let _gone_with_its_thread = SPARE.try_with(|spare| spare.set(self.text));
        }
    }
}

impl Crumbs {
    pub(crate) fn add(&mut self, written: &Written) {
        if self.text.len() + written.text.len() > MOST_BYTES || self.heads.len() >= MOST {
            self.make_room();
        }
        let start = self.text.len();
        self.text.push_str(&written.text);
        self.heads.push_back(Head {
            time: SystemTime::now(),
            level: written.level,
            target: written.target,
            start,
            fields: start + written.fields,
        });
    }

    /// Bytes that it holds on to.
    pub(crate) fn capacity(&self) -> usize {
        self.text.capacity() + self.heads.capacity() * size_of::<Head>()
    }

    /// Forgets the older half.
    #[cold]
    fn make_room(&mut self) {
        self.heads.drain(..self.heads.len().div_ceil(2));
        let gone = self.heads.front().map_or(self.text.len(), |head| head.start);
        self.text.drain(..gone);
        for head in &mut self.heads {
            head.start -= gone;
            head.fields -= gone;
        }
    }

    /// All of them, the oldest first.
    pub(crate) fn read(&self) -> Vec<Breadcrumb> {
        let ends = self.heads.iter().skip(1).map(|head| head.start).chain([self.text.len()]);
        let part = |from, to| self.text.get(from..to).unwrap_or_default();
        let crumbs = self.heads.iter().zip(ends).map(|(head, end)| Breadcrumb {
            time: head.time,
            level: head.level,
            target: head.target,
            message: part(head.start, head.fields).to_owned(),
            fields: Fields::parse(part(head.fields, end)),
        });
        crumbs.collect()
    }
}

/// Writes the message and, behind it, all else as `name unit value record`: to be taken apart when it is
/// needed.
struct Writer<'a> {
    text: &'a mut String,
    /// Where the message ends.
    fields: usize,
}

impl Writer<'_> {
    fn message(&mut self, message: fmt::Arguments<'_>) {
        if self.text.is_empty() {
            write_args(self.text, message, LONGEST_VALUE);
            self.fields = self.text.len();
        } else {
            // It stands behind a field, which the macros do not do.
            let mut text = String::new();
            write_args(&mut text, message, LONGEST_VALUE);
            text.push_str(self.text.get(self.fields..).unwrap_or_default());
            self.fields = text.len() - (self.text.len() - self.fields);
            *self.text = text;
        }
    }

    fn field(&mut self, field: &Field, write: impl FnOnce(&mut String)) {
        if self.text.len() <= MOST_BYTES {
            self.text.push_str(field.name());
            self.text.push(Fields::UNIT);
            write(self.text);
            self.text.push(Fields::RECORD);
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
            text.push(Fields::NUMBER);
            text.push_str(if value { "true" } else { "false" });
        });
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            return self.message(format_args!("{value}"));
        }
        self.field(field, |text| {
            let start = text.len();
            if value.len() <= LONGEST_VALUE {
                text.push_str(value);
            } else {
                write_args(text, format_args!("{value}"), LONGEST_VALUE);
            }
            Fields::clean(text, start);
        });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        debug_once(field.index(), value, |value| {
            if field.name() == "message" {
                return self.message(value);
            }
            self.field(field, |text| {
                let start = text.len();
                write_args(text, value, LONGEST_VALUE);
                Fields::clean(text, start);
            });
        });
    }
}
