//! Fields of an event as one text, and what is made of it once it is needed.

use serde_json::Value;

/// The text: for each field its name, [`Fields::UNIT`], its value, [`Fields::RECORD`].
pub(crate) struct Fields;

impl Fields {
    /// Between name and value (ASCII's unit separator).
    pub(crate) const UNIT: char = '\u{1f}';
    /// Behind a field (ASCII's record separator).
    pub(crate) const RECORD: char = '\u{1e}';
    /// Before a value that is JSON already: a number, `true`, `false`.
    pub(crate) const NUMBER: char = '\u{1d}';

    /// Takes the separators out of what was written from `start` on.
    pub(crate) fn clean(text: &mut String, start: usize) {
        let separators = [Self::UNIT, Self::RECORD, Self::NUMBER];
        let Some(written) = text.get(start..).filter(|written| written.contains(separators)) else {
            return;
        };
        let clean = written.replace(separators, "\u{fffd}");
        text.truncate(start);
        text.push_str(&clean);
    }

    pub(crate) fn parse(text: &str) -> Vec<(String, Value)> {
        let pairs = text.split(Self::RECORD).filter_map(|field| field.split_once(Self::UNIT));
        let value = |text: &str| match text.strip_prefix(Self::NUMBER) {
            Some(json) => serde_json::from_str(json).unwrap_or_else(|_| json.into()),
            None => text.into(),
        };
        pairs.map(|(name, text)| (name.to_owned(), value(text))).collect()
    }
}
