//! The event that a processor reads and changes.

use std::fmt;

use tracing_core::Level;

use crate::capture::json;
use crate::capture::value::Value as Captured;
use crate::context::fields::{Fields, Key};
use crate::field::Value;

/// An event on its way to the output: the fields of its context and its own, each name once.
pub struct Record<'a> {
    pub(super) level: Level,
    pub(super) target: &'a str,
    pub(super) fields: &'a mut Fields,
}

impl Record<'_> {
    /// The event's level.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The event's target.
    pub fn target(&self) -> &str {
        self.target
    }

    /// The value of a field.
    pub fn value(&self, name: &str) -> Option<Captured> {
        let key = Key::new(name);
        let (_, value) = self.fields.iter().find(|(known, _)| *known == key.name())?;
        json::value(std::str::from_utf8(value).ok()?)
    }

    /// The value of a field that is text.
    pub fn text(&self, name: &str) -> Option<String> {
        match self.value(name)? {
            Captured::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Adds a field, or replaces the one of this name.
    pub fn set(&mut self, name: &str, value: impl Value) {
        value.encode(self.fields.begin(&Key::new(name)));
    }

    /// Takes a field away; answers whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        let key = Key::new(name);
        let was_there = self.fields.contains(&key);
        self.fields.remove(&key);
        was_there
    }

    /// Gives a field another name, at the end of the line; answers whether there was one.
    pub fn rename(&mut self, from: &str, to: &str) -> bool {
        let key = Key::new(from);
        let value = self.fields.iter().find(|(known, _)| *known == key.name());
        let Some(value) = value.map(|(_, value)| value.to_vec()) else { return false };
        self.fields.remove(&key);
        self.fields.begin(&Key::new(to)).extend_from_slice(&value);
        true
    }
}

impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = String::from_utf8_lossy(self.fields.as_bytes());
        write!(f, "Record({} {}{fields})", self.level, self.target)
    }
}
