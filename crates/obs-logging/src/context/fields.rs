//! Fields that are already JSON: `,"key":value,"key":value`, with an index of where each begins.

use std::ops::Range;

use super::name_hash::{self, bit, hash, mask_of};
use super::{errors, split};
use crate::encode::escape::escape;
use crate::encode::put::Block;

/// Names that every line has for itself; a field of such a name gets an underscore behind it.
const RESERVED: [&str; 4] = ["timestamp", "level", "target", "event"];

/// Whether a field of this name gets an underscore.
pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// Most names are shorter, with their comma, colon and quotation marks.
const SHORT_KEY: usize = 32;

/// A field's name as it stands in a line, with the comma before and the colon after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    bytes: Box<[u8]>,
    /// The same, if it is short.
    block: Option<Block<SHORT_KEY>>,
    hash: u64,
}

impl Key {
    pub(crate) fn new(name: &str) -> Self {
        Self::with_suffix(name, "")
    }

    pub(crate) fn with_suffix(name: &str, suffix: &str) -> Self {
        let name = name.strip_prefix("r#").unwrap_or(name);
        let mut bytes = Vec::with_capacity(name.len() + suffix.len() + 5);
        bytes.extend_from_slice(b",\"");
        escape(&mut bytes, name);
        escape(&mut bytes, suffix);
        if suffix.is_empty() && is_reserved(name) {
            bytes.push(b'_');
        }
        let hash = hash(&bytes[2..]);
        bytes.extend_from_slice(b"\":");
        Self::from_bytes(bytes, hash)
    }

    /// Of a name that was in a line already.
    pub(crate) fn of_escaped(name: &[u8]) -> Self {
        let hash = hash(name);
        Self::from_bytes([b",\"", name, b"\":"].concat(), hash)
    }

    fn from_bytes(bytes: Vec<u8>, hash: u64) -> Self {
        Self { block: Block::new(&bytes), bytes: bytes.into(), hash }
    }

    /// The set of keys that this key alone makes.
    #[inline]
    pub(crate) fn mask(&self) -> u128 {
        bit(self.hash)
    }

    /// Appends the name with its comma and colon.
    #[inline]
    pub(crate) fn append_to(&self, out: &mut Vec<u8>) {
        match &self.block {
            Some(block) => block.append_to(out),
            None => out.extend_from_slice(&self.bytes),
        }
    }

    /// The escaped name alone.
    pub(crate) fn name(&self) -> &[u8] {
        &self.bytes[2..self.bytes.len() - 2]
    }
}

#[derive(Clone, Copy, Debug)]
struct Place {
    hash: u64,
    start: u32,
    key_end: u32,
}

/// An ordered set of fields: never two of one name, the later having replaced the earlier.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    bytes: Vec<u8>,
    places: Vec<Place>,
    mask: u128,
    shape: u64,
}

impl Fields {
    pub(crate) const fn new() -> Self {
        Self { bytes: Vec::new(), places: Vec::new(), mask: 0, shape: 0 }
    }

    /// Takes fields apart that were written one after another, as [`Self::as_bytes`] has them.
    pub(crate) fn from_written(written: &[u8]) -> Self {
        let mut fields = Self::new();
        let mut rest = written;
        while let Some((name, behind)) = split::name(rest) {
            let value = split::value(behind);
            fields.begin(&Key::of_escaped(name)).extend_from_slice(value);
            rest = &behind[value.len()..];
        }
        fields
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Everything, as it stands in a line: begins with a comma unless empty.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The set of keys as bits: where two masks share none, no key is in both.
    #[inline]
    pub(crate) fn mask(&self) -> u128 {
        self.mask
    }

    /// The names and their order as a number: sets of the same shape have the same names.
    #[inline]
    pub(crate) fn shape(&self) -> u64 {
        self.shape
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
        self.mask = 0;
        self.shape = 0;
    }

    /// Begins a field: its value is what is then appended to the returned buffer.
    #[inline]
    pub(crate) fn begin(&mut self, key: &Key) -> &mut Vec<u8> {
        if self.mask & key.mask() != 0 {
            self.remove(key);
        }
        let start = self.bytes.len() as u32;
        key.append_to(&mut self.bytes);
        self.note(Place { hash: key.hash, start, key_end: self.bytes.len() as u32 });
        &mut self.bytes
    }

    #[inline]
    fn note(&mut self, place: Place) {
        self.mask |= mask_of(place.hash);
        self.shape = mixed(self.shape, place.hash);
        self.places.push(place);
    }

    /// Whether keeping the empty buffers costs little.
    pub(crate) fn has_modest_room(&self) -> bool {
        self.bytes.capacity() <= 1024 && self.places.capacity() <= 64
    }

    /// Adds all fields of `other`, which replace those of the same name.
    pub(crate) fn append(&mut self, other: &Self) {
        self.append_range(other, 0..other.len());
    }

    /// As [`Self::append`], the fields from the one at `first` on.
    pub(crate) fn append_from(&mut self, other: &Self, first: usize) {
        self.append_range(other, first..other.len());
    }

    /// As [`Self::append`], the fields before the one at `end`.
    pub(crate) fn append_until(&mut self, other: &Self, end: usize) {
        self.append_range(other, 0..end);
    }

    fn append_range(&mut self, other: &Self, range: Range<usize>) {
        let Some(places) = other.places.get(range.clone()) else { return };
        let Some(first) = places.first() else { return };
        if self.mask & other.mask != 0 {
            let has_error = name_hash::any_error_message(
                self.places.iter().chain(places).map(|place| place.hash),
            );
            let own = if has_error { self.clone() } else { Self::new() };
            let own_has = |name: &[u8]| own.contains_in(name_hash::hash(name), name, 0..own.len());
            self.retain(|hash, name| {
                let is_there = other.contains_in(hash, name, range.clone());
                let later =
                    |name: &[u8]| other.contains_in(name_hash::hash(name), name, range.clone());
                !is_there && (!has_error || !errors::replaces(&own_has, name, &later))
            });
        }
        let from = first.start;
        let shift = self.bytes.len() as u32;
        self.bytes.extend_from_slice(&other.bytes[from as usize..other.range(range.end - 1).end]);
        for place in places {
            self.note(Place {
                hash: place.hash,
                start: place.start - from + shift,
                key_end: place.key_end - from + shift,
            });
        }
    }

    #[cold]
    pub(crate) fn remove(&mut self, key: &Key) {
        if self.contains_in(key.hash, key.name(), 0..self.len()) {
            self.retain(|hash, name| hash != key.hash || name != key.name());
        }
    }

    pub(crate) fn contains(&self, key: &Key) -> bool {
        self.mask & key.mask() != 0 && self.contains_in(key.hash, key.name(), 0..self.len())
    }

    /// Whether some name is in both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.mask & other.mask != 0
            && (0..self.len()).any(|at| {
                let whole = 0..other.len();
                self.mask_at(at) & other.mask != 0
                    && (other.contains_in(self.places[at].hash, self.name(at), whole.clone())
                        || self.error_is_replaced(at, other))
            })
    }

    #[cold]
    fn error_is_replaced(&self, at: usize, other: &Self) -> bool {
        let has =
            |fields: &Self, name: &[u8]| fields.contains_in(hash(name), name, 0..fields.len());
        errors::replaces(&|name| has(self, name), self.name(at), &|name| has(other, name))
    }

    /// Escaped names and JSON values, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        (0..self.len()).map(|at| (self.name(at), self.value(at)))
    }

    /// Whether some value is a list or an object.
    pub(crate) fn has_structure(&self) -> bool {
        self.iter().any(|(_, value)| matches!(value.first(), Some(b'[' | b'{')))
    }

    /// Keeps the fields of which `keep` (hash, escaped name) says so.
    fn retain(&mut self, keep: impl Fn(u64, &[u8]) -> bool) {
        let old = std::mem::take(self);
        for at in 0..old.len() {
            if keep(old.places[at].hash, old.name(at)) {
                let start = self.bytes.len() as u32;
                let range = old.range(at);
                let key = old.places[at].key_end - old.places[at].start;
                self.bytes.extend_from_slice(&old.bytes[range]);
                self.note(Place { hash: old.places[at].hash, start, key_end: start + key });
            }
        }
    }

    pub(super) fn contains_in(&self, hash: u64, name: &[u8], mut range: Range<usize>) -> bool {
        range.any(|at| self.places[at].hash == hash && self.name(at) == name)
    }

    fn mask_at(&self, at: usize) -> u128 {
        mask_of(self.places[at].hash)
    }

    fn name(&self, at: usize) -> &[u8] {
        let place = self.places[at];
        &self.bytes[place.start as usize + 2..place.key_end as usize - 2]
    }

    fn value(&self, at: usize) -> &[u8] {
        &self.bytes[self.places[at].key_end as usize..self.range(at).end]
    }

    fn range(&self, at: usize) -> Range<usize> {
        let end = self.places.get(at + 1).map_or(self.bytes.len(), |next| next.start as usize);
        self.places[at].start as usize..end
    }
}

/// The shape of a set to which one more name, or one more set, is added.
#[inline]
pub(crate) const fn mixed(shape: u64, hash: u64) -> u64 {
    (shape.rotate_left(23) ^ hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(of: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::new();
        for (name, value) in of {
            fields.begin(&Key::new(name)).extend_from_slice(value.as_bytes());
        }
        fields
    }

    #[test]
    fn later_value_of_same_name_replaces_earlier() {
        let mut both = fields(&[("a", "1"), ("b", "2"), ("a", "3")]);
        assert_eq!(both.as_bytes(), br#","b":2,"a":3"#);
        both.append(&fields(&[("c", "4"), ("b", "5")]));
        assert_eq!(both.as_bytes(), br#","a":3,"c":4,"b":5"#);
        assert!(both.overlaps(&fields(&[("c", "0")])));
        assert!(!both.overlaps(&fields(&[("d", "0")])));
    }

    #[test]
    fn written_fields_are_parsed() {
        let written = [
            r#","a":1,"b\"":"x,\"y\\","c":[1,{"d":"]"}],"e":{"f":[",",{}]},"g":"\\""#,
            r#","h":-1.5e-7,"i":true,"j":"""#,
        ]
        .concat();
        let fields = Fields::from_written(written.as_bytes());
        assert_eq!(fields.as_bytes(), written.as_bytes());
        let values: Vec<_> = fields.iter().map(|(_, value)| value.len()).collect();
        assert_eq!(values, [1, 9, 13, 14, 4, 7, 4, 2]);
        let again = Fields::from_written(br#","a":1,"b":2,"a":3"#);
        assert_eq!(again.as_bytes(), br#","b":2,"a":3"#);
    }

    #[test]
    fn shape_depends_on_names_not_values() {
        let shape = |of: &[(&str, &str)]| fields(of).shape();
        assert_eq!(shape(&[("a", "1"), ("b", "2")]), shape(&[("a", "3"), ("b", "4")]));
        assert_ne!(shape(&[("a", "1"), ("b", "2")]), shape(&[("a", "1"), ("c", "2")]));
        assert_ne!(shape(&[("a", "1")]), shape(&[]));
    }

    #[test]
    fn reserved_name_gets_underscore() {
        let reserved = fields(&[("level", "1"), ("timestamp", "2"), ("r#type", "3")]);
        assert_eq!(reserved.as_bytes(), br#","level_":1,"timestamp_":2,"type":3"#);
    }
}
