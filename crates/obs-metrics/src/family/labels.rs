//! The labels of one series, rendered once as every text format writes them.

use std::borrow::Cow;
use std::hint::cold_path;

/// A family's label names, and how much of a block each takes before its value: `name="`.
#[derive(Debug)]
pub(crate) struct Names {
    names: Box<[Box<str>]>,
    before: Box<[usize]>,
}

impl Names {
    pub(crate) fn new(names: &[Box<str>]) -> Self {
        let before = names.iter().map(|name| name.len() + 2).collect();
        Self { names: names.into(), before }
    }
}

/// `method="GET",status="200"`, and what it takes to find it again.
#[derive(Debug)]
pub(crate) struct Labels {
    pub(crate) hash: u64,
    block: Box<str>,
    /// Whether a value holds characters that are written as two.
    escaped: bool,
}

impl Labels {
    pub(crate) fn new(hash: u64, names: &Names, values: &[&str]) -> Self {
        let escaped = values.iter().any(|value| value.bytes().any(is_escaped));
        Self { hash, block: render(&names.names, values).into(), escaped }
    }

    /// The labels of no family: a fixed block.
    pub(crate) fn fixed(block: &str) -> Self {
        Self { hash: 0, block: block.into(), escaped: false }
    }

    pub(crate) fn block(&self) -> &str {
        &self.block
    }

    /// Whether these are the values of these labels. The hash is compared by the caller.
    #[inline(always)]
    pub(crate) fn are(&self, names: &Names, values: &[&str]) -> bool {
        if self.escaped {
            cold_path();
            return *self.block == *render(&names.names, values);
        }
        let block = self.block.as_bytes();
        let mut at = 0;
        for (before, value) in names.before.iter().zip(values) {
            at += before;
            let end = at + value.len();
            let here = block.get(at..end).is_some_and(|here| is_same(here, value.as_bytes()));
            if !here || block.get(end) != Some(&b'"') {
                return false;
            }
            at = end + 2;
        }
        at.saturating_sub(1) == block.len()
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
    Pairs(block).map(|(name, value)| (name, value.into_owned())).collect()
}

/// The names and values of a block, read one after another.
#[derive(Debug)]
pub(crate) struct Pairs<'a>(pub(crate) &'a str);

impl<'a> Iterator for Pairs<'a> {
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

/// Equality of two slices of one length. Label values are short: two words that may overlap are
/// compared faster than `memcmp` is called.
#[inline(always)]
fn is_same(a: &[u8], b: &[u8]) -> bool {
    match a.len() {
        17..=32 => {
            a.first_chunk::<16>() == b.first_chunk() && a.last_chunk::<16>() == b.last_chunk()
        }
        8..=16 => a.first_chunk::<8>() == b.first_chunk() && a.last_chunk::<8>() == b.last_chunk(),
        4..=7 => a.first_chunk::<4>() == b.first_chunk() && a.last_chunk::<4>() == b.last_chunk(),
        2..=3 => a.first_chunk::<2>() == b.first_chunk() && a.last() == b.last(),
        1 => a.first() == b.first(),
        _ => a == b,
    }
}

fn is_escaped(byte: u8) -> bool {
    matches!(byte, b'\\' | b'"' | b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::new(&["a".into(), "b".into()])
    }

    #[test]
    fn values_are_told_apart_whatever_they_contain() {
        let odd = ["", "x", "x\",b=\"y", "x\\", "\n", "\\n", "\"", "x\\\",b=\\\"y"];
        for left in odd {
            for right in odd {
                let labels = Labels::new(0, &names(), &[left, right]);
                for a in odd {
                    for b in odd {
                        let same = (left, right) == (a, b);
                        assert_eq!(
                            labels.are(&names(), &[a, b]),
                            same,
                            "{left:?} {right:?} {a:?} {b:?}"
                        );
                    }
                }
                let parsed = parse_block(labels.block());
                assert_eq!(parsed, [("a", left.to_owned()), ("b", right.to_owned())]);
            }
        }
    }

    #[test]
    fn slices_of_every_length_are_compared_whole() {
        for length in 0..40 {
            let a: Vec<u8> = (0..length).collect();
            assert!(is_same(&a, &a.clone()));
            for at in 0..a.len() {
                let mut b = a.clone();
                b[at] ^= 1;
                assert!(!is_same(&a, &b), "{length} {at}");
            }
        }
    }

    #[test]
    fn no_labels_are_no_labels() {
        assert!(Labels::new(0, &Names::new(&[]), &[]).are(&Names::new(&[]), &[]));
        assert_eq!(parse_block(""), []);
    }
}
