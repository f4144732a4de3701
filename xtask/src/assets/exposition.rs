//! What scrapes show: metrics, their labels and the labels' values.

use std::collections::{BTreeMap, BTreeSet};

type Labels = BTreeMap<String, BTreeSet<String>>;

/// The series of every scrape together, by the names that a query uses: `_bucket`, `_sum` and `_count` too.
#[derive(Debug, Default)]
pub(crate) struct Exposition(BTreeMap<String, Labels>);

impl Exposition {
    /// Adds what an answer in the text format shows.
    pub(crate) fn add(&mut self, text: &str) {
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let end = line.find(['{', ' ']).unwrap_or(line.len());
            let (name, rest) = line.split_at(end);
            if name.is_empty() {
                continue;
            }
            let labels = self.0.entry(name.to_owned()).or_default();
            for (label, value) in pairs(rest.strip_prefix('{').unwrap_or_default()) {
                labels.entry(label).or_default().insert(value);
            }
        }
    }

    /// The labels of a metric; `None` where no scrape shows it.
    pub(crate) fn labels(&self, metric: &str) -> Option<&Labels> {
        self.0.get(metric)
    }
}

/// The label pairs up to the closing bracket.
fn pairs(mut rest: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    while let Some((label, after)) = rest.split_once("=\"") {
        let label = label.trim_start_matches([',', ' ']);
        let (mut value, mut escaped, mut end) = (String::new(), false, after.len());
        for (at, each) in after.char_indices() {
            match each {
                'n' if escaped => (value, escaped) = (value + "\n", false),
                _ if escaped => (value, escaped) = (value + &each.to_string(), false),
                '\\' => escaped = true,
                '"' => {
                    end = at + 1;
                    break;
                }
                _ => value.push(each),
            }
        }
        pairs.push((label.to_owned(), value));
        rest = after.get(end..).unwrap_or_default();
        if rest.starts_with('}') {
            break;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_past_brackets_quotes_and_spaces() {
        let mut shown = Exposition::default();
        shown.add("# TYPE a counter\na{p=\"/x/{id}\",q=\"1, \\\"2\\\"\"} 3\nb 4 5\n\n");
        let labels = shown.labels("a").unwrap();
        assert!(labels["p"].contains("/x/{id}"));
        assert!(labels["q"].contains("1, \"2\""));
        assert!(shown.labels("b").unwrap().is_empty());
        assert!(shown.labels("TYPE").is_none());
    }
}
