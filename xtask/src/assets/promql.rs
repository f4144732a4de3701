//! The names that a PromQL expression uses.

use std::collections::BTreeSet;

/// What an expression names.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Names {
    pub(crate) selectors: Vec<Selector>,
    /// The labels of `by`, `without`, `on`, `ignoring`, `group_left` and `group_right`.
    pub(crate) labels: BTreeSet<String>,
}

/// A metric with its matchers.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Selector {
    pub(crate) metric: String,
    pub(crate) matchers: Vec<Matcher>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Matcher {
    pub(crate) label: String,
    /// `=`, `!=`, `=~` or `!~`.
    pub(crate) operator: String,
    pub(crate) value: String,
}

const LABEL_LISTS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
/// Words that stand alone and are no metric; functions are known by their bracket.
const WORDS: [&str; 8] = ["and", "or", "unless", "bool", "offset", "inf", "nan", "atan2"];

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Sign(char),
}

/// The names of `expression`, which promtool has found to be correct.
pub(crate) fn names(expression: &str) -> Names {
    let mut names = Names::default();
    let mut tokens = tokens(expression).into_iter().peekable();
    while let Some(token) = tokens.next() {
        let is_list = |word: &str| LABEL_LISTS.contains(&word.to_lowercase().as_str());
        match token {
            // `group_left` may have no list: then its bracket is an expression's.
            Token::Word(word) if is_list(&word) => {
                let bare = word.starts_with("group") && tokens.peek() != Some(&Token::Sign('('));
                if !bare {
                    let list = tokens.by_ref().skip(1).take_while(|next| *next != Token::Sign(')'));
                    names.labels.extend(list.filter_map(|next| match next {
                        Token::Word(label) => Some(label),
                        _ => None,
                    }));
                }
            }
            Token::Word(word) if WORDS.contains(&word.to_lowercase().as_str()) => {}
            Token::Word(word) => match tokens.peek() {
                Some(Token::Sign('(')) => {}
                Some(Token::Word(next)) if is_list(next) => {
                    // `sum by (job) (..)`, or `metric / on (job) ..` without the sign: the first alone.
                    if !AGGREGATIONS.contains(&word.as_str()) {
                        names.selectors.push(Selector { metric: word, matchers: Vec::new() });
                    }
                }
                Some(Token::Sign('{')) => {
                    let inside = tokens.by_ref().skip(1);
                    let inside: Vec<_> =
                        inside.take_while(|next| *next != Token::Sign('}')).collect();
                    let matchers =
                        inside.split(|next| *next == Token::Sign(',')).filter_map(matcher);
                    names.selectors.push(Selector { metric: word, matchers: matchers.collect() });
                }
                _ => names.selectors.push(Selector { metric: word, matchers: Vec::new() }),
            },
            Token::Text(_) | Token::Sign(_) => {}
        }
    }
    names
}

const AGGREGATIONS: [&str; 12] = [
    "sum",
    "min",
    "max",
    "avg",
    "group",
    "stddev",
    "stdvar",
    "count",
    "count_values",
    "bottomk",
    "topk",
    "quantile",
];

fn matcher(tokens: &[Token]) -> Option<Matcher> {
    let [Token::Word(label), signs @ .., Token::Text(value)] = tokens else { return None };
    let operator = signs.iter().filter_map(|sign| match sign {
        Token::Sign(sign) => Some(*sign),
        _ => None,
    });
    Some(Matcher { label: label.clone(), operator: operator.collect(), value: value.clone() })
}

/// Without spaces, comments, numbers, and what stands in square brackets.
fn tokens(expression: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '\'' => {
                let end = closing_quote(rest, first);
                let text = rest.get(1..end).unwrap_or_default();
                tokens.push(Token::Text(text.to_owned()));
                end + 1
            }
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '[' => rest.find(']').map_or(rest.len(), |end| end + 1),
            '0'..='9' | '.' => span(rest, |each| each.is_ascii_alphanumeric() || each == '.'),
            _ if is_word(first) => {
                let length = span(rest, is_word);
                tokens.push(Token::Word(rest.get(..length).unwrap_or_default().to_owned()));
                length
            }
            _ => {
                if !first.is_whitespace() {
                    tokens.push(Token::Sign(first));
                }
                first.len_utf8()
            }
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    tokens
}

fn is_word(each: char) -> bool {
    each.is_ascii_alphanumeric() || each == '_' || each == ':'
}

fn span(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|each| !belongs(each)).unwrap_or(text.len())
}

fn closing_quote(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, each) in text.char_indices().skip(1) {
        match each {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if each == quote => return at,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(expression: &str) -> Vec<String> {
        names(expression).selectors.into_iter().map(|selector| selector.metric).collect()
    }

    #[test]
    fn metrics_are_found_among_functions_words_and_durations() {
        let text = "histogram_quantile(0.99, sum by (le, job) (rate(a_bucket[5m] offset 1h))) > bool 1e3 \
                    and on (job) b:c:rate5m unless up # not_this\n or vector(1)";
        assert_eq!(metrics(text), ["a_bucket", "b:c:rate5m", "up"]);
        let labels: Vec<_> = names(text).labels.into_iter().collect();
        assert_eq!(labels, ["job", "le"]);
    }

    #[test]
    fn matchers_keep_operator_and_value() {
        let found = names(r#"sum(a{x="1,}", y!~'b"'}) by (z) / on (k) group_left () c{}"#);
        let a = &found.selectors[0];
        assert_eq!(a.metric, "a");
        let shown = a.matchers.iter().map(|m| format!("{} {} {}", m.label, m.operator, m.value));
        assert_eq!(shown.collect::<Vec<_>>(), ["x = 1,}", "y !~ b\""]);
        assert_eq!(found.selectors[1].metric, "c");
        assert_eq!(found.labels.into_iter().collect::<Vec<_>>(), ["k", "z"]);
    }

    #[test]
    fn group_left_without_list_adds_no_label() {
        assert_eq!(metrics("a > on (slo) group_left 14.4 * b"), ["a", "b"]);
        assert_eq!(metrics("topk(3, a) or sum by (b) (c)"), ["a", "c"]);
    }
}
