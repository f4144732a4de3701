//! What context travels in.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;

/// Headers of a request or a message: `http::HeaderMap` (feature `http`), maps of strings, or your
/// own.
pub trait Carrier {
    /// Calls `seen` with every value of this header, in order. `name` is in lower case, and the
    /// carrier compares names as its protocol does.
    fn each(&self, name: &str, seen: &mut dyn FnMut(&[u8]));

    /// Gives the header this one value.
    fn set(&mut self, name: &'static str, value: &str);
}

impl<S: BuildHasher> Carrier for HashMap<String, String, S> {
    fn each(&self, name: &str, seen: &mut dyn FnMut(&[u8])) {
        if let Some(value) = self.get(name) {
            seen(value.as_bytes());
        }
    }

    fn set(&mut self, name: &'static str, value: &str) {
        self.insert(name.to_owned(), value.to_owned());
    }
}

impl Carrier for BTreeMap<String, String> {
    fn each(&self, name: &str, seen: &mut dyn FnMut(&[u8])) {
        if let Some(value) = self.get(name) {
            seen(value.as_bytes());
        }
    }

    fn set(&mut self, name: &'static str, value: &str) {
        self.insert(name.to_owned(), value.to_owned());
    }
}

#[cfg(feature = "http")]
impl Carrier for http::HeaderMap {
    fn each(&self, name: &str, seen: &mut dyn FnMut(&[u8])) {
        for value in self.get_all(name) {
            seen(value.as_bytes());
        }
    }

    fn set(&mut self, name: &'static str, value: &str) {
        if let Ok(value) = http::HeaderValue::from_str(value) {
            self.insert(http::HeaderName::from_static(name), value);
        }
    }
}
