//! A value with a structure as JSON: bounded while it is written, closed whatever happens, and no name
//! twice in one object.

use std::collections::HashSet;
use std::fmt;

use super::escape::{Escaping, escape, string};
use super::value::{self, MAX_VALUE_BYTES, TRUNCATED_MARK};

/// Lists and objects inside one another past this many are not written.
pub(crate) const MAX_DEPTH: usize = 32;

/// Stands for a list or an object that is too deep.
const TOO_DEEP: &str = "[too deep]";

/// Stands where a value should be, if the application's code ended before it gave one.
const MISSING: &str = "<its visit ended early>";

/// Appends one value to a buffer. Past [`MAX_VALUE_BYTES`] strings are cut and what follows is left out;
/// a mark says so.
pub(crate) struct Structure<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    levels: Vec<Level>,
    /// A separator or a name has been written, and no value yet.
    is_awaiting_value: bool,
}

struct Level {
    close: u8,
    is_empty: bool,
    /// Whether the mark for what is left out has been written.
    is_cut: bool,
    names: HashSet<Box<[u8]>>,
}

impl<'a> Structure<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        let start = out.len();
        Self { out, start, levels: Vec::new(), is_awaiting_value: true }
    }

    /// Closes what is still open, and puts a mark where a value is missing.
    pub(crate) fn end(mut self) {
        self.fill_in();
        while !self.levels.is_empty() {
            self.close();
        }
    }

    fn fill_in(&mut self) {
        if self.is_awaiting_value {
            self.text(MISSING);
        }
    }

    /// Whether nothing more is taken.
    fn is_full(&self) -> bool {
        self.room() == 0
    }

    fn room(&self) -> usize {
        MAX_VALUE_BYTES.saturating_sub(self.out.len() - self.start)
    }

    /// Appends a number or another value of a few bytes.
    pub(crate) fn short(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.is_awaiting_value = false;
        write(self.out);
    }

    pub(crate) fn null(&mut self) {
        self.short(|out| out.extend_from_slice(b"null"));
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.is_awaiting_value = false;
        let fitting = obs_guard::truncated(text, self.room()).len();
        if fitting == text.len() {
            return string(self.out, text);
        }
        self.out.push(b'"');
        escape(self.out, &text[..fitting]);
        escape(self.out, TRUNCATED_MARK);
        self.out.push(b'"');
    }

    pub(crate) fn formatted(&mut self, shown: fmt::Arguments<'_>) {
        self.is_awaiting_value = false;
        let room = self.room();
        value::formatted_within(self.out, shown, room);
    }

    #[cfg(feature = "kv")]
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.is_awaiting_value = false;
        value::bytes(self.out, &bytes[..bytes.len().min(self.room())]);
    }

    /// Begins a list; `false`, and a mark written, where it is too deep.
    pub(crate) fn open_list(&mut self) -> bool {
        self.open(b'[', b']')
    }

    /// Begins an object, as [`Self::open_list`].
    pub(crate) fn open_object(&mut self) -> bool {
        self.open(b'{', b'}')
    }

    fn open(&mut self, open: u8, close: u8) -> bool {
        if self.levels.len() == MAX_DEPTH {
            self.text(TOO_DEEP);
            return false;
        }
        self.is_awaiting_value = false;
        self.out.push(open);
        let names = HashSet::new();
        self.levels.push(Level { close, is_empty: true, is_cut: false, names });
        true
    }

    /// Ends the innermost list or object.
    pub(crate) fn close(&mut self) {
        self.fill_in();
        if let Some(level) = self.levels.pop() {
            self.out.push(level.close);
        }
    }

    /// Begins an element of the innermost list; `false` where it is left out.
    pub(crate) fn element(&mut self) -> bool {
        if self.levels.last().is_some_and(|level| level.close == b'}') {
            return self.name(format_args!(""));
        }
        self.fill_in();
        let is_full = self.is_full();
        let Some(level) = self.levels.last_mut() else { return false };
        if is_full && std::mem::replace(&mut level.is_cut, true) {
            return false;
        }
        if !std::mem::replace(&mut level.is_empty, false) {
            self.out.push(b',');
        }
        if is_full {
            self.text(TRUNCATED_MARK);
            return false;
        }
        self.is_awaiting_value = true;
        true
    }

    /// Begins an entry of the innermost object; `false` where it is left out. A name that is there
    /// already gets underscores behind it.
    pub(crate) fn name(&mut self, name: fmt::Arguments<'_>) -> bool {
        let mut escaped = Vec::new();
        value::write_within(&mut Escaping::new(&mut escaped, self.room()), name);
        self.entry(escaped)
    }

    /// As [`Self::name`], of a key that is JSON itself.
    #[cfg(feature = "kv")]
    pub(crate) fn name_of_json(&mut self, key: &[u8]) -> bool {
        match key.strip_prefix(b"\"").and_then(|key| key.strip_suffix(b"\"")) {
            Some(text) => self.entry(text.to_vec()),
            None => self.name(format_args!("{}", String::from_utf8_lossy(key))),
        }
    }

    fn entry(&mut self, mut escaped: Vec<u8>) -> bool {
        if self.levels.last().is_some_and(|level| level.close == b']') {
            return self.element();
        }
        self.fill_in();
        let is_full = self.is_full();
        let Some(level) = self.levels.last_mut() else { return false };
        if is_full && std::mem::replace(&mut level.is_cut, true) {
            return false;
        }
        if is_full {
            escaped.clear();
            escape(&mut escaped, TRUNCATED_MARK);
        }
        while level.names.contains(&escaped[..]) {
            escaped.push(b'_');
        }
        if !std::mem::replace(&mut level.is_empty, false) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(&escaped);
        self.out.extend_from_slice(b"\":");
        level.names.insert(escaped.into());
        if is_full {
            self.text(TRUNCATED_MARK);
            return false;
        }
        self.is_awaiting_value = true;
        true
    }
}
