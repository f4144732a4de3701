//! The rules of `docs/deploy/prometheus`, as far as their names go.
//!
//! promtool judges the files; here each rule is a list item that begins with `record` or `alert`, whose
//! `expr` is one line or a block.

use std::collections::BTreeSet;

/// A rule.
#[derive(Debug, Default)]
pub(crate) struct Rule {
    /// The recorded metric, or the alert.
    pub(crate) name: String,
    pub(crate) is_alert: bool,
    pub(crate) expression: String,
    /// The labels that the rule itself sets.
    pub(crate) sets: BTreeSet<String>,
    /// The labels that its annotations show.
    pub(crate) shows: BTreeSet<String>,
}

/// The rules of a file.
pub(crate) fn rules(text: &str) -> Vec<Rule> {
    let mut rules = Vec::new();
    // What the lines that are indented further than this belong to.
    let (mut block, mut indent) = (Block::None, 0);
    for line in text.lines() {
        let trimmed = line.trim();
        let depth = line.len() - line.trim_start().len();
        if trimmed.is_empty() || (trimmed.starts_with('#') && block != Block::Expression) {
            continue;
        }
        if let Some((is_alert, name)) = head(trimmed) {
            rules.push(Rule { name: name.to_owned(), is_alert, ..Rule::default() });
            block = Block::None;
            continue;
        }
        let Some(rule) = rules.last_mut() else { continue };
        if block != Block::None && depth > indent {
            block.add(rule, trimmed);
            continue;
        }
        (block, indent) = (Block::None, depth);
        match trimmed.split_once(':') {
            Some(("expr", rest)) if ["|", "|-", ">", ">-"].contains(&rest.trim()) => {
                block = Block::Expression;
            }
            Some(("expr", rest)) => rule.expression = rest.trim().to_owned(),
            Some(("labels", _)) => block = Block::Labels,
            Some(("annotations", _)) => block = Block::Annotations,
            _ => {}
        }
    }
    rules
}

fn head(line: &str) -> Option<(bool, &str)> {
    let name = |rest: &'static str| line.strip_prefix(rest).map(str::trim);
    name("- record:").map(|name| (false, name)).or_else(|| Some((true, name("- alert:")?)))
}

#[derive(PartialEq)]
enum Block {
    None,
    Expression,
    Labels,
    Annotations,
}

impl Block {
    fn add(&self, rule: &mut Rule, line: &str) {
        match self {
            Self::None => {}
            Self::Expression => rule.expression += &format!("{line}\n"),
            Self::Labels => {
                rule.sets.extend(line.split_once(':').map(|(label, _)| label.to_owned()));
            }
            Self::Annotations => {
                let after = line.split("$labels.").skip(1);
                rule.shows.extend(after.map(|rest| {
                    let word = |each: char| each.is_ascii_alphanumeric() || each == '_';
                    rest.chars().take_while(|each| word(*each)).collect()
                }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_rule_kinds_are_read_with_blocks() {
        let text = "groups:\n  - name: g\n    rules:\n      # why\n      - record: a:b\n        expr: |-\n          \
                    sum(c)\n            / sum(d)\n        labels:\n          slo: x\n      - alert: E\n        \
                    expr: a:b > 1\n        for: 5m\n        annotations:\n          \
                    summary: \"{{ $labels.job }} and {{$labels.path}}\"\n";
        let found = rules(text);
        assert_eq!(found[0].name, "a:b");
        assert_eq!(found[0].expression, "sum(c)\n/ sum(d)\n");
        assert!(found[0].sets.contains("slo") && !found[0].is_alert);
        assert_eq!((found[1].name.as_str(), found[1].expression.as_str()), ("E", "a:b > 1"));
        let shows: Vec<_> = found[1].shows.iter().map(String::as_str).collect();
        assert_eq!(shows, ["job", "path"]);
    }
}
