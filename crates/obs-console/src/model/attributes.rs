//! Typed key-value pairs, compact and sorted.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

/// The most pairs that one owner keeps: OpenTelemetry's default limit is 128.
const MAX_ATTRIBUTES: usize = 256;

/// Attributes of a span, an event, a link or a log line: sorted by key, each key once.
///
/// Values keep their type: string, boolean, integer, float, array or map; bytes are hexadecimal text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes {
    pairs: Vec<(Box<str>, Value)>,
    dropped: u32,
}

impl Attributes {
    /// Attributes of these pairs; of a key that comes twice, the last value. At most 256 are kept,
    /// the rest is counted.
    pub fn new(mut pairs: Vec<(Box<str>, Value)>) -> Self {
        pairs.reverse();
        pairs.sort_by(|one, other| one.0.cmp(&other.0));
        pairs.dedup_by(|later, kept| later.0 == kept.0);
        let dropped = u32::try_from(pairs.len().saturating_sub(MAX_ATTRIBUTES)).unwrap_or(u32::MAX);
        pairs.truncate(MAX_ATTRIBUTES);
        pairs.shrink_to_fit();
        Self { pairs, dropped }
    }

    /// How many pairs were more than the 256 that are kept.
    pub fn dropped(&self) -> u32 {
        self.dropped
    }

    /// The value of this key.
    pub fn find(&self, key: &str) -> Option<&Value> {
        let at = self.pairs.binary_search_by(|(name, _)| name.as_ref().cmp(key)).ok()?;
        self.pairs.get(at).map(|(_, value)| value)
    }

    /// The value of this key, where it is a string.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.find(key).and_then(Value::as_str)
    }

    /// All pairs, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.pairs.iter().map(|(key, value)| (key.as_ref(), value))
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Adds a pair, where there is none of this key.
    pub(crate) fn add(&mut self, key: &str, value: Value) {
        if let Err(place) = self.pairs.binary_search_by(|(name, _)| name.as_ref().cmp(key))
            && self.pairs.len() < MAX_ATTRIBUTES
        {
            self.pairs.insert(place, (key.into(), value));
        }
    }

    /// About how many bytes of memory these take.
    pub(crate) fn bytes(&self) -> usize {
        self.pairs.iter().map(|(key, value)| 80 + key.len() + value_bytes(value)).sum()
    }
}

impl Serialize for Attributes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.pairs.len()))?;
        for (key, value) in &self.pairs {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// Maps are B-trees whose smallest node takes about 600 bytes.
fn value_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(|value| 32 + value_bytes(value)).sum(),
        Value::Object(map) => {
            600 + map.iter().map(|(key, value)| 64 + key.len() + value_bytes(value)).sum::<usize>()
        }
        _ => 0,
    }
}
