//! Advice on definitions that are allowed but break a convention.

use crate::descriptor::Descriptor;
use crate::kind::Kind;
use crate::registry::Registry;

/// Units that Prometheus' conventions replace by a base unit.
const UNITS_BY_BASE: [(&str, &str); 16] = [
    ("ms", "seconds"),
    ("us", "seconds"),
    ("ns", "seconds"),
    ("sec", "seconds"),
    ("secs", "seconds"),
    ("milliseconds", "seconds"),
    ("microseconds", "seconds"),
    ("nanoseconds", "seconds"),
    ("minutes", "seconds"),
    ("hours", "seconds"),
    ("kb", "bytes"),
    ("mb", "bytes"),
    ("kilobytes", "bytes"),
    ("megabytes", "bytes"),
    ("bits", "bytes"),
    ("percent", "ratio"),
];

/// Labels that name an identity, and so have no bound.
const UNBOUNDED_LABELS: [&str; 12] = [
    "user",
    "user_id",
    "email",
    "session",
    "session_id",
    "request_id",
    "trace_id",
    "span_id",
    "order_id",
    "ip",
    "url",
    "uri",
];

impl Registry {
    /// What breaks Prometheus' naming conventions, or is likely to have too many label values: one
    /// sentence each, with the place in the source. For a test of the application.
    ///
    /// ```
    /// let registry = obs_metrics::Registry::new();
    /// registry.gauge("wait_ms", "Wait.")?;
    /// let advice = registry.lint();
    /// assert!(advice[0].contains("`wait_ms` is in ms: use the base unit, seconds"));
    /// # Ok::<(), obs_metrics::Error>(())
    /// ```
    pub fn lint(&self) -> Vec<String> {
        let mut advice = Vec::new();
        for family in self.collectors().iter() {
            let family = family.descriptor();
            let mut advise = |text: String| {
                advice.push(format!("{}: `{}` {text}", family.location, family.name));
            };
            names(family, &mut advise);
            for label in family.labels.iter().filter(|label| UNBOUNDED_LABELS.contains(&&***label))
            {
                advise(format!(
                    "has the label `{label}`, which has no bound: put it into the log line and the span"
                ));
            }
        }
        advice
    }
}

fn names(family: &Descriptor, advise: &mut dyn FnMut(String)) {
    let words = || family.base().split('_');
    for (unit, base) in UNITS_BY_BASE {
        if words().any(|word| word == unit) {
            advise(format!("is in {unit}: use the base unit, {base}"));
        }
    }
    if family.name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        advise("has capitals: write it in snake_case".into());
    }
    let kind = family.kind.as_str();
    if words().any(|word| word == kind) {
        advise(format!("names its type: leave `{kind}` out"));
    }
    let is_timing = words().any(|word| matches!(word, "duration" | "latency"));
    if is_timing && family.kind == Kind::Histogram && !family.name.ends_with("_seconds") {
        advise("is a duration without a unit: end it in `_seconds`".into());
    }
}
