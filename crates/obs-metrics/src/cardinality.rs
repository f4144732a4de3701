//! How many series each metric has, and by which label.

use std::collections::HashMap;
use std::fmt::{self, Write};

use crate::family::parse_block;
use crate::registry::Registry;

/// Values of a label that are shown.
const MAX_SHOWN_VALUES: usize = 5;

/// How many series each metric has, the largest first: what every series costs in memory here, and in
/// Prometheus.
///
/// `Display` writes it as a table for people, [`Cardinality::to_json`] for programs.
///
/// ```
/// let registry = obs_metrics::Registry::new();
/// let orders = registry.counter_vec("orders_total", "Orders.", ["user"])?;
/// for user in ["1", "2", "3"] {
///     orders.with([user]).inc();
/// }
/// let cardinality = registry.cardinality();
/// assert_eq!(cardinality.families[0].series, 3);
/// assert_eq!(cardinality.families[0].labels[0].values, 3);
/// println!("{cardinality}");
/// # Ok::<(), obs_metrics::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cardinality {
    /// The metrics that are registered, the one with the most series first.
    pub families: Vec<FamilyCardinality>,
}

/// The series of one metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FamilyCardinality {
    /// The metric's name.
    pub name: String,
    /// Its series; a histogram writes several lines for each.
    pub series: usize,
    /// How many it may have.
    pub limit: usize,
    /// Uses of the overflow series.
    pub overflowed: u64,
    /// Its labels, the one with the most values first.
    pub labels: Vec<LabelCardinality>,
}

/// The values of one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelCardinality {
    /// The label's name.
    pub name: String,
    /// How many values it has.
    pub values: usize,
    /// The values with the most series, and how many: at most five.
    pub most_frequent: Vec<(String, usize)>,
}

impl Registry {
    /// Counts the series of every metric.
    pub fn cardinality(&self) -> Cardinality {
        let mut families: Vec<_> = self
            .collectors()
            .iter()
            .map(|family| {
                let mut series = 0;
                let mut labels: HashMap<String, HashMap<String, usize>> = HashMap::new();
                family.blocks(&mut |block| {
                    series += 1;
                    for (name, value) in parse_block(block) {
                        *labels.entry(name.into()).or_default().entry(value).or_default() += 1;
                    }
                });
                let mut labels: Vec<_> = labels.into_iter().map(LabelCardinality::of).collect();
                labels.sort_by(|a, b| b.values.cmp(&a.values).then_with(|| a.name.cmp(&b.name)));
                FamilyCardinality {
                    name: family.descriptor().name.to_string(),
                    series,
                    limit: family.limit(),
                    overflowed: family.overflowed(),
                    labels,
                }
            })
            .collect();
        families.sort_by(|a, b| b.series.cmp(&a.series).then_with(|| a.name.cmp(&b.name)));
        Cardinality { families }
    }
}

impl Cardinality {
    /// `{"series":3,"families":[{"name":…,"series":…,"limit":…,"overflowed":…,"labels":[…]}]}`
    pub fn to_json(&self) -> String {
        let mut out = format!("{{\"series\":{},\"families\":", self.series());
        list(&mut out, &self.families, |out, family| {
            out.push_str("{\"name\":");
            json_string(out, &family.name);
            let FamilyCardinality { series, limit, overflowed, .. } = family;
            let _ = write!(
                out,
                ",\"series\":{series},\"limit\":{limit},\"overflowed\":{overflowed},\"labels\":"
            );
            list(out, &family.labels, |out, label| {
                out.push_str("{\"name\":");
                json_string(out, &label.name);
                let _ = write!(out, ",\"values\":{},\"most_frequent\":", label.values);
                list(out, &label.most_frequent, |out, (value, series)| {
                    out.push_str("{\"value\":");
                    json_string(out, value);
                    let _ = write!(out, ",\"series\":{series}}}");
                });
                out.push('}');
            });
            out.push('}');
        });
        out.push('}');
        out
    }

    fn series(&self) -> usize {
        self.families.iter().map(|family| family.series).sum()
    }
}

impl fmt::Display for Cardinality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.series().max(1);
        writeln!(f, "{:>8} {:>6} {:>8} {:>10}  metric", "series", "share", "limit", "overflowed")?;
        for family in &self.families {
            let share = family.series as f64 * 100.0 / all as f64;
            let FamilyCardinality { name, series, limit, overflowed, labels } = family;
            writeln!(f, "{series:>8} {share:>5.1}% {limit:>8} {overflowed:>10}  {name}")?;
            for label in labels {
                write!(f, "{:>38}{}: {} values, most often", "", label.name, label.values)?;
                for (value, series) in &label.most_frequent {
                    write!(f, " {value:?} ({series})")?;
                }
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

impl LabelCardinality {
    fn of((name, values): (String, HashMap<String, usize>)) -> Self {
        let count = values.len();
        let mut most_frequent: Vec<_> = values.into_iter().collect();
        most_frequent.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        most_frequent.truncate(MAX_SHOWN_VALUES);
        Self { name, values: count, most_frequent }
    }
}

fn list<T>(out: &mut String, items: &[T], mut write: impl FnMut(&mut String, &T)) {
    out.push('[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
}

/// A string of JSON (RFC 8259, section 7).
pub(crate) fn json_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            control if control < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}
