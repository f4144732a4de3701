//! The rules for names.

use crate::error::Error;
use crate::kind::Kind;

/// Series names that other types derive from theirs.
const RESERVED_SUFFIXES: [&str; 6] = ["_total", "_bucket", "_sum", "_count", "_created", "_info"];

/// Units that OpenMetrics' `# UNIT` line may name.
const UNITS: [&str; 9] =
    ["seconds", "bytes", "ratio", "celsius", "meters", "volts", "amperes", "joules", "grams"];

/// What stands in for the labels of the sets past the limit, as OpenTelemetry has it.
pub(crate) const OVERFLOW_LABEL: &str = "otel_metric_overflow";

/// Whether this may name a metric of this kind.
pub(crate) fn check_metric(name: &str, kind: Kind) -> Result<(), Error> {
    if !is_identifier(name) {
        return Err(Error::invalid(format!(
            "`{name}` is no metric name: use letters, digits and `_`, not starting with a digit \
             (colons belong to recording rules)"
        )));
    }
    let required = match kind {
        Kind::Counter => Some("_total"),
        Kind::Info => Some("_info"),
        _ => None,
    };
    if let Some(suffix) = required {
        return match name.strip_suffix(suffix) {
            Some(base) if !base.is_empty() => check_suffix(base, name, kind),
            _ => Err(Error::invalid(format!(
                "the {} `{name}` must end in `{suffix}`: name it `{name}{suffix}`",
                kind.as_str()
            ))),
        };
    }
    check_suffix(name, name, kind)
}

fn check_suffix(base: &str, name: &str, kind: Kind) -> Result<(), Error> {
    let reserved = RESERVED_SUFFIXES.iter().find(|suffix| base.ends_with(**suffix));
    // `build_info` as a gauge of 1 is an old and harmless custom.
    match reserved {
        Some(&"_info") if kind == Kind::Gauge => Ok(()),
        Some(suffix) => Err(Error::invalid(format!(
            "the {} `{name}` must not use the suffix `{suffix}`, which is reserved for the series of \
             another metric type: rename it",
            kind.as_str()
        ))),
        None => Ok(()),
    }
}

/// Whether these may be the labels of a metric of this kind.
pub(crate) fn check_labels(name: &str, kind: Kind, labels: &[&str]) -> Result<(), Error> {
    for (at, label) in labels.iter().enumerate() {
        let wrong = if !is_identifier(label) {
            "use letters, digits and `_`, not starting with a digit"
        } else if label.starts_with("__") {
            "a leading `__` is reserved for Prometheus itself: drop it"
        } else if *label == OVERFLOW_LABEL {
            "it marks the series that takes the label sets past the limit: rename it"
        } else if kind == Kind::Histogram && *label == "le" {
            "a histogram writes its buckets with it: rename it"
        } else if kind == Kind::Summary && *label == "quantile" {
            "a summary writes its quantiles with it: rename it"
        } else if labels[..at].contains(label) {
            "it is given twice: drop one"
        } else {
            continue;
        };
        return Err(Error::invalid(format!("label `{label}` of `{name}`: {wrong}")));
    }
    Ok(())
}

/// Whether this may be put before every name.
pub(crate) fn check_prefix(prefix: &str) -> Result<(), Error> {
    if !is_identifier(prefix) || prefix.ends_with('_') {
        return Err(Error::invalid(format!(
            "`{prefix}` is no prefix: use letters, digits and `_`, neither starting with a digit nor \
             ending with `_`, which is put after it"
        )));
    }
    Ok(())
}

/// Whether these may be labels of every series of a registry, whatever its metric type.
pub(crate) fn check_common_labels(labels: &[&str]) -> Result<(), Error> {
    check_labels("every metric", Kind::Histogram, labels)?;
    check_labels("every metric", Kind::Summary, labels)
}

/// Whether the help is worth showing.
pub(crate) fn check_help(name: &str, help: &str) -> Result<(), Error> {
    if help.trim().is_empty() {
        return Err(Error::invalid(format!("`{name}` has no help: give one sentence")));
    }
    Ok(())
}

/// The unit that a name ends in.
pub(crate) fn unit(base: &str) -> Option<&'static str> {
    UNITS.into_iter().find(|unit| base.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_')))
}

fn is_identifier(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
