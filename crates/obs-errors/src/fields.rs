//! Fields of an event as one text, parsed when they are needed.

use serde_json::Value;

/// The text: for each field its name, [`Fields::UNIT_SEPARATOR`], its value, [`Fields::RECORD_SEPARATOR`].
pub(crate) struct Fields;

impl Fields {
    /// Between name and value (ASCII's unit separator).
    pub(crate) const UNIT_SEPARATOR: char = '\u{1f}';
    /// Behind a field (ASCII's record separator).
    pub(crate) const RECORD_SEPARATOR: char = '\u{1e}';
    /// Before a value that is JSON already: a number, `true`, `false`.
    pub(crate) const JSON_MARK: char = '\u{1d}';

    /// Before the kind and the bits of a number, six bits to a character.
    const ENCODED_NUMBER_MARK: char = '\u{1c}';
    const BITS_PER_CHAR: u32 = 6;

    pub(crate) fn put_f64(text: &mut String, value: f64) {
        Self::put_bits(text, 'f', value.to_bits());
    }

    pub(crate) fn put_i64(text: &mut String, value: i64) {
        Self::put_bits(text, 'i', value.cast_unsigned());
    }

    pub(crate) fn put_u64(text: &mut String, value: u64) {
        Self::put_bits(text, 'u', value);
    }

    fn put_bits(text: &mut String, kind: char, mut bits: u64) {
        text.push(Self::ENCODED_NUMBER_MARK);
        text.push(kind);
        while bits != 0 {
            text.push(char::from(b'0' + (bits & 0x3f) as u8));
            bits >>= Self::BITS_PER_CHAR;
        }
    }

    fn number(coded: &str) -> Option<Value> {
        let mut signs = coded.chars();
        let kind = signs.next()?;
        let bits = signs.rev().try_fold(0_u64, |bits, sign| {
            let six = u64::from(sign).checked_sub(u64::from(b'0')).filter(|six| *six <= 0x3f)?;
            Some(bits << Self::BITS_PER_CHAR | six)
        })?;
        match kind {
            'f' if f64::from_bits(bits).is_finite() => Some(f64::from_bits(bits).into()),
            'f' => Some(f64::from_bits(bits).to_string().into()),
            'i' => Some(bits.cast_signed().into()),
            'u' => Some(bits.into()),
            _ => None,
        }
    }

    /// Replaces separators in the text from `start` on.
    pub(crate) fn replace_separators(text: &mut String, start: usize) {
        let separators = [
            Self::UNIT_SEPARATOR,
            Self::RECORD_SEPARATOR,
            Self::JSON_MARK,
            Self::ENCODED_NUMBER_MARK,
        ];
        let is_separator = |byte: u8| (0x1c..=0x1f).contains(&byte);
        let Some(written) = text.get(start..).filter(|written| written.bytes().any(is_separator))
        else {
            return;
        };
        let clean = written.replace(separators, "\u{fffd}");
        text.truncate(start);
        text.push_str(&clean);
    }

    pub(crate) fn parse(text: &str) -> Vec<(String, Value)> {
        let pairs = text
            .split(Self::RECORD_SEPARATOR)
            .filter_map(|field| field.split_once(Self::UNIT_SEPARATOR));
        let value = |text: &str| {
            if let Some(number) =
                text.strip_prefix(Self::ENCODED_NUMBER_MARK).and_then(Self::number)
            {
                return number;
            }
            match text.strip_prefix(Self::JSON_MARK) {
                Some(json) => serde_json::from_str(json).unwrap_or_else(|_| json.into()),
                None => text.into(),
            }
        };
        pairs.map(|(name, text)| (name.to_owned(), value(text))).collect()
    }
}
