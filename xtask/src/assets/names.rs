//! Whether what an expression names exists.

use std::collections::{BTreeMap, BTreeSet};

use crate::assets::exposition::Exposition;
use crate::assets::promql::{Names, Selector, names};
use crate::assets::rules::Rule;

/// What Prometheus adds to every series that it scrapes.
const ADDED: [&str; 2] = ["job", "instance"];
/// Metrics of services that come with a fault which the demo does not have: name, labels, and the file that
/// shows it.
pub(crate) const WITH_A_FAULT: [(&str, &[&str], &str); 1] =
    [("obs_metrics_overflow_total", &["metric"], "crates/obs-metrics/src/registry/own.rs")];

/// The metrics that there are, scraped and recorded.
pub(crate) struct Known {
    scraped: Exposition,
    recorded: BTreeMap<String, BTreeSet<String>>,
}

impl Known {
    /// Takes the rules in the order in which they are recorded.
    pub(crate) fn new<'a>(scraped: Exposition, rules: impl Iterator<Item = &'a Rule>) -> Self {
        let mut known = Self { scraped, recorded: BTreeMap::new() };
        for rule in rules.filter(|rule| !rule.is_alert) {
            let mut labels = known.labels_of(&names(&rule.expression));
            labels.extend(rule.sets.iter().cloned());
            known.recorded.entry(rule.name.clone()).or_default().extend(labels);
        }
        known
    }

    /// What `rule` names and nothing has.
    pub(crate) fn breaches_of_rule(&self, rule: &Rule) -> Vec<String> {
        let mut breaches = self.breaches(&rule.name, &rule.expression, &BTreeSet::new());
        let mut has = self.labels_of(&names(&rule.expression));
        has.extend(rule.sets.iter().cloned());
        breaches.extend(rule.shows.difference(&has).map(|label| {
            format!("{}: its annotations show {label}, which its series do not have", rule.name)
        }));
        breaches
    }

    /// What `expression` names and nothing has; `shows` are labels that are shown of its series.
    pub(crate) fn breaches(
        &self,
        place: &str,
        expression: &str,
        shows: &BTreeSet<String>,
    ) -> Vec<String> {
        let names = names(expression);
        let mut breaches: Vec<_> =
            names.selectors.iter().flat_map(|selector| self.breaches_of(selector)).collect();
        let mut has: BTreeSet<String> = BTreeSet::new();
        for selector in &names.selectors {
            has.extend(self.labels(&selector.metric).unwrap_or_default());
        }
        let missing = names.labels.iter().chain(shows).filter(|label| !has.contains(*label));
        breaches.extend(missing.map(|label| format!("no metric of it has the label {label}")));
        breaches
            .iter()
            .map(|breach| format!("{place}: {breach}; in: {}", expression.trim()))
            .collect()
    }

    fn breaches_of(&self, selector: &Selector) -> Vec<String> {
        let metric = &selector.metric;
        let Some(labels) = self.labels(metric) else {
            return vec![format!("no /metrics and no rule has {metric}")];
        };
        let mut breaches = Vec::new();
        for matcher in &selector.matchers {
            let (label, value) = (&matcher.label, &matcher.value);
            if !labels.contains(label) {
                breaches.push(format!("{metric} has no label {label}"));
            } else if let Some(values) = self.scraped.labels(metric).and_then(|all| all.get(label))
                && matcher.operator == "="
                && !values.contains(value)
            {
                breaches.push(format!("{metric} has no {label}=\"{value}\", only {values:?}"));
            }
        }
        breaches
    }

    /// The labels of a metric; `None` where there is no such metric.
    fn labels(&self, metric: &str) -> Option<BTreeSet<String>> {
        if let Some(recorded) = self.recorded.get(metric) {
            return Some(recorded.clone());
        }
        let added = ADDED.iter().map(|label| (*label).to_owned());
        if metric == "up" {
            return Some(added.collect());
        }
        if let Some((_, labels, _)) = WITH_A_FAULT.iter().find(|(name, ..)| *name == metric) {
            return Some(added.chain(labels.iter().map(|label| (*label).to_owned())).collect());
        }
        let scraped = self.scraped.labels(metric)?;
        Some(added.chain(scraped.keys().cloned()).collect())
    }

    /// The labels that a result may have: those that it is grouped by, else those of its metrics.
    fn labels_of(&self, names: &Names) -> BTreeSet<String> {
        let mut labels = BTreeSet::new();
        for selector in &names.selectors {
            labels.extend(self.labels(&selector.metric).unwrap_or_default());
        }
        match names.labels.is_empty() {
            true => labels,
            false
                if names.selectors.iter().all(|each| self.recorded.contains_key(&each.metric)) =>
            {
                labels
            }
            false => names.labels.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assets::rules::rules;

    fn known() -> Known {
        let mut scraped = Exposition::default();
        scraped.add("a_total{path=\"/x\",status=\"200\"} 1\nb_bucket{le=\"0.5\"} 1\n");
        let rules =
            rules("- record: r\n  expr: sum by (job, path) (a_total)\n  labels:\n    slo: x\n");
        Known::new(scraped, rules.iter())
    }

    fn found(expression: &str) -> Vec<String> {
        known().breaches("here", expression, &BTreeSet::new())
    }

    #[test]
    fn existing_names_are_no_breach() {
        let right = r#"sum by (path) (a_total{job="x",status=~"5..",path="/x"}) / on (path) r{slo="y"} + up"#;
        assert_eq!(found(right), Vec::<String>::new());
        assert_eq!(found(r#"b_bucket{le="0.5"}"#), Vec::<String>::new());
    }

    #[test]
    fn wrong_metric_label_or_value_is_breach() {
        assert!(found("rate(c_total[5m])")[0].contains("no /metrics and no rule has c_total"));
        assert!(found(r#"a_total{route="/x"}"#)[0].contains("a_total has no label route"));
        assert!(
            found("sum by (route) (a_total)")[0].contains("no metric of it has the label route")
        );
        assert!(found(r#"b_bucket{le="0.3"}"#)[0].contains("b_bucket has no le=\"0.3\""));
        assert!(found(r#"r{status="500"}"#)[0].contains("r has no label status"));
    }

    #[test]
    fn annotation_label_lost_by_grouping_is_breach() {
        let alerts = rules(
            "- alert: A\n  expr: sum by (job) (a_total) > 0\n  annotations:\n    s: '{{ $labels.path }}'\n",
        );
        assert!(known().breaches_of_rule(&alerts[0])[0].contains("its annotations show path"));
    }
}
