//! OpenTelemetry's registry: what there is, of which type, and what is deprecated.

use std::collections::HashMap;

use serde_json::Value;

/// One attribute a line: name, type, stability, deprecation.
const ATTRIBUTES: &str = include_str!("../../../data/semconv-attributes.tsv");
/// One metric a line: name, instrument, unit, stability, deprecation.
const METRICS: &str = include_str!("../../../data/semconv-metrics.tsv");

pub(super) struct Registry {
    attributes: HashMap<&'static str, [&'static str; 2]>,
    metrics: HashMap<&'static str, [&'static str; 3]>,
}

impl Registry {
    pub(super) fn read() -> Self {
        let rows = |table: &'static str| {
            let lines = table.lines().filter(|line| !line.starts_with('#'));
            lines.map(|line| line.split('\t').collect::<Vec<_>>())
        };
        let cell = |row: &[&'static str], at: usize| row.get(at).copied().unwrap_or_default();
        let attributes =
            rows(ATTRIBUTES).map(|row| (cell(&row, 0), [1, 3].map(|at| cell(&row, at))));
        let metrics = rows(METRICS).map(|row| (cell(&row, 0), [1, 2, 4].map(|at| cell(&row, at))));
        Self { attributes: attributes.collect(), metrics: metrics.collect() }
    }

    /// What is wrong with an attribute; `None` of one that the registry does not know.
    pub(super) fn attribute(&self, key: &str, value: &Value) -> Option<Result<(), String>> {
        let [kind, deprecated] = self.attributes.get(key)?;
        Some(match (*deprecated, value_type(value)) {
            ("", found) if fits(kind, found) => Ok(()),
            ("", found) => Err(format!("is {found}, not {kind}")),
            (deprecated, _) => Err(format!("is deprecated: {deprecated}")),
        })
    }

    /// What is wrong with a metric; `None` of one that the registry does not know.
    pub(super) fn metric(&self, name: &str, metric: &Value) -> Option<Result<(), String>> {
        let [instrument, unit, deprecated] = self.metrics.get(name)?;
        let (found, found_unit) = (self::instrument(metric), metric["unit"].as_str().unwrap_or(""));
        Some(match *deprecated {
            "" if *instrument == found && *unit == found_unit => Ok(()),
            "" => Err(format!("is a {found} in {found_unit:?}, not a {instrument} in {unit:?}")),
            _ => Err("is deprecated".to_owned()),
        })
    }
}

/// The type of an `AnyValue`, as the registry calls it.
fn value_type(value: &Value) -> &'static str {
    let kinds = [
        ("stringValue", "string"),
        ("boolValue", "boolean"),
        ("intValue", "int"),
        ("doubleValue", "double"),
        ("arrayValue", "string[]"),
    ];
    kinds.into_iter().find(|(key, _)| value.get(key).is_some()).map_or("nothing", |(_, kind)| kind)
}

/// `enum(string)` and `template[string]` are texts.
fn fits(kind: &str, found: &str) -> bool {
    let inner = kind.strip_prefix("enum(").and_then(|rest| rest.strip_suffix(')'));
    let inner =
        inner.or_else(|| kind.strip_prefix("template[").and_then(|rest| rest.strip_suffix(']')));
    matches!(kind, "any") || inner.unwrap_or(kind) == found
}

fn instrument(metric: &Value) -> &'static str {
    match (&metric["sum"], metric["sum"]["isMonotonic"] == true) {
        (Value::Object(_), true) => "counter",
        (Value::Object(_), false) => "updowncounter",
        _ if metric["histogram"].is_object() => "histogram",
        _ if metric["gauge"].is_object() => "gauge",
        _ => "metric without points",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn registry_rejects_wrong_types_and_deprecated_names() {
        let registry = Registry::read();
        let attribute = |key, value| registry.attribute(key, &value);
        assert_eq!(attribute("process.pid", json!({"intValue": "7"})), Some(Ok(())));
        assert!(matches!(attribute("process.pid", json!({"stringValue": "7"})), Some(Err(_))));
        assert!(matches!(attribute("http.method", json!({"stringValue": "GET"})), Some(Err(_))));
        assert_eq!(attribute("http.verb", json!({"stringValue": "GET"})), None);
        let duration = json!({"unit": "s", "histogram": {}});
        let metric = |name, metric| registry.metric(name, metric);
        assert_eq!(metric("http.server.request.duration", &duration), Some(Ok(())));
        let gauge = json!({"unit": "s", "gauge": {}});
        assert!(matches!(metric("http.server.request.duration", &gauge), Some(Err(_))));
        let in_ms = json!({"unit": "ms", "histogram": {}});
        assert!(matches!(metric("http.server.request.duration", &in_ms), Some(Err(_))));
        assert_eq!(metric("http_requests_total", &duration), None);
    }
}
