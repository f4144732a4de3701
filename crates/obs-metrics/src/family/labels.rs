//! The labels of one series, rendered once as every text format writes them.

use std::borrow::Cow;

use super::key::{Key, KeyHasher};

/// A family's label names, and how their values are hashed.
#[derive(Debug)]
pub(crate) struct LabelNames {
    names: Box<[Box<str>]>,
    hasher: KeyHasher,
}

impl LabelNames {
    pub(crate) fn new(names: &[Box<str>]) -> Self {
        Self { names: names.into(), hasher: KeyHasher::new() }
    }

    #[inline(always)]
    pub(super) fn key<const N: usize>(&self, values: &[&str; N]) -> Key {
        Key::new(&self.hasher, values)
    }
}

/// `method="GET",status="200"`, and what it takes to find it again.
#[derive(Debug)]
pub(crate) struct Labels {
    key: Key,
    block: Box<str>,
}

impl Labels {
    pub(super) fn new(key: Key, names: &LabelNames, values: &[&str]) -> Self {
        Self { key, block: render(&names.names, values).into() }
    }

    /// A fixed block, of no family.
    pub(crate) fn fixed(block: &str) -> Self {
        Self { key: Key::default(), block: block.into() }
    }

    pub(super) fn hash(&self) -> u64 {
        self.key.hash
    }

    pub(crate) fn block(&self) -> &str {
        &self.block
    }

    /// Whether these are the labels of this key, made of these values.
    #[inline(always)]
    pub(super) fn matches<const N: usize>(&self, key: &Key, values: &[&str; N]) -> bool {
        self.key.matches::<N>(key) && (!key.is_partial() || self.matches_values(values))
    }

    #[inline(never)]
    fn matches_values(&self, values: &[&str]) -> bool {
        let mut rest = self.block();
        values.iter().all(|value| {
            // Nearly always there is nothing to unescape.
            let plain = rest.split_once("=\"").and_then(|(_, rest)| rest.strip_prefix(*value));
            match plain.and_then(|rest| rest.strip_prefix('"')) {
                Some(after) if !value.contains(is_escaped) => {
                    rest = after;
                    true
                }
                _ => {
                    let mut pairs = LabelPairs(rest);
                    let same = pairs.next().is_some_and(|(_, known)| known == *value);
                    rest = pairs.0;
                    same
                }
            }
        })
    }
}

/// Appends `name="value"`, after a comma where there is something before it.
pub(crate) fn push_label(block: &mut String, name: &str, value: &str) {
    if !block.is_empty() {
        block.push(',');
    }
    block.push_str(name);
    block.push_str("=\"");
    for character in value.chars() {
        match character {
            '\\' => block.push_str("\\\\"),
            '"' => block.push_str("\\\""),
            '\n' => block.push_str("\\n"),
            other => block.push(other),
        }
    }
    block.push('"');
}

/// The names and values of a block.
pub(crate) fn parse_block(block: &str) -> Vec<(&str, String)> {
    LabelPairs(block).map(|(name, value)| (name, value.into_owned())).collect()
}

/// The names and values of a block, read one after another.
#[derive(Debug)]
pub(crate) struct LabelPairs<'a>(pub(crate) &'a str);

impl<'a> Iterator for LabelPairs<'a> {
    type Item = (&'a str, Cow<'a, str>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = self.0.split_once("=\"")?;
        let mut escaped = false;
        let end = rest.bytes().position(|byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        });
        let (value, rest) = rest.split_at(end.unwrap_or(rest.len()));
        let rest = rest.strip_prefix('"').unwrap_or(rest);
        self.0 = rest.strip_prefix(',').unwrap_or(rest);
        Some((name, unescape(value)))
    }
}

fn unescape(value: &str) -> Cow<'_, str> {
    if !value.contains('\\') {
        return Cow::Borrowed(value);
    }
    let mut text = String::new();
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('n') => text.push('\n'),
                other => text.extend(other),
            },
            other => text.push(other),
        }
    }
    Cow::Owned(text)
}

fn render(names: &[Box<str>], values: &[&str]) -> String {
    let mut block = String::new();
    for (name, value) in names.iter().zip(values) {
        push_label(&mut block, name, value);
    }
    block
}

fn is_escaped(character: char) -> bool {
    matches!(character, '\\' | '"' | '\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> LabelNames {
        LabelNames::new(&["a".into(), "b".into()])
    }

    fn labels<const N: usize>(names: &LabelNames, values: [&str; N]) -> Labels {
        Labels::new(names.key(&values), names, &values)
    }

    #[test]
    fn labels_with_escaped_values_match_only_themselves() {
        let odd = [
            "",
            "x",
            "x\",b=\"y",
            "x\\",
            "\n",
            "\\n",
            "\"",
            "x\\\",b=\\\"y",
            "x\",b=\"",
            "xxxxxxxxxxxxxxxxxxxx",
        ];
        let names = names();
        for left in odd {
            for right in odd {
                let labels = labels(&names, [left, right]);
                for a in odd {
                    for b in odd {
                        let same = (left, right) == (a, b);
                        let why = format!("{left:?} {right:?} {a:?} {b:?}");
                        assert_eq!(labels.matches(&names.key(&[a, b]), &[a, b]), same, "{why}");
                        assert_eq!(labels.matches_values(&[a, b]), same, "{why}");
                    }
                }
                let parsed = parse_block(labels.block());
                assert_eq!(parsed, [("a", left.to_owned()), ("b", right.to_owned())]);
            }
        }
    }

    #[test]
    fn empty_label_set_matches_itself() {
        let names = LabelNames::new(&[]);
        assert!(labels(&names, []).matches(&names.key(&[]), &[]));
        assert_eq!(parse_block(""), []);
    }
}
