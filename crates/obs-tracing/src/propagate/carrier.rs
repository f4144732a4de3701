//! Carriers of context: headers and maps.

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

/// Keys are compared as HTTP compares names: `Traceparent` is found too.
impl<S: BuildHasher> Carrier for HashMap<String, String, S> {
    fn each(&self, name: &str, seen: &mut dyn FnMut(&[u8])) {
        each_value(self, name, seen);
    }

    fn set(&mut self, name: &'static str, value: &str) {
        self.retain(|key, _| !key.eq_ignore_ascii_case(name));
        self.insert(name.to_owned(), value.to_owned());
    }
}

/// Keys are compared as HTTP compares names: `Traceparent` is found too.
impl Carrier for BTreeMap<String, String> {
    fn each(&self, name: &str, seen: &mut dyn FnMut(&[u8])) {
        each_value(self, name, seen);
    }

    fn set(&mut self, name: &'static str, value: &str) {
        self.retain(|key, _| !key.eq_ignore_ascii_case(name));
        self.insert(name.to_owned(), value.to_owned());
    }
}

fn each_value<'a>(
    headers: impl IntoIterator<Item = (&'a String, &'a String)>,
    name: &str,
    seen: &mut dyn FnMut(&[u8]),
) {
    let of_name = headers.into_iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
    of_name.for_each(|(_, value)| seen(value.as_bytes()));
}

#[cfg(feature = "http")]
static WELL_KNOWN: [http::HeaderName; 3] = [
    http::HeaderName::from_static("traceparent"),
    http::HeaderName::from_static("tracestate"),
    http::HeaderName::from_static("baggage"),
];

#[cfg(feature = "http")]
impl Carrier for http::HeaderMap {
    fn each(&self, name: &str, seen: &mut dyn FnMut(&[u8])) {
        // A name that is parsed already is found sooner.
        let values = match WELL_KNOWN.iter().find(|known| known.as_str() == name) {
            Some(known) => self.get_all(known),
            None => self.get_all(name),
        };
        values.iter().for_each(|value| seen(value.as_bytes()));
    }

    fn set(&mut self, name: &'static str, value: &str) {
        if let Ok(value) = http::HeaderValue::from_str(value) {
            self.insert(http::HeaderName::from_static(name), value);
        }
    }
}
