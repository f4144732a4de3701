//! Whether metrics are pushed too, by OpenTelemetry's variables.

use std::time::Duration;

use obs_metrics::Push;

use super::{Config, Explanation, Origin};
use crate::error::{Error, Kind};

const EXPORTER: &str = "OTEL_METRICS_EXPORTER";

/// Pushes where `OTEL_METRICS_EXPORTER` is `otlp` and there is an endpoint.
pub(super) fn resolve(
    config: &Config,
    explanation: &mut Explanation,
) -> Result<Option<Push>, Error> {
    let read = |name: &str| (config.environment)(name).filter(|value| !value.is_empty());
    let exporters = read(EXPORTER).unwrap_or_default();
    let (mut wanted, mut unknown) = (false, None);
    for exporter in exporters.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        match exporter {
            "otlp" => wanted = true,
            // The admin server shows them either way.
            "prometheus" | "none" => {}
            other => unknown = Some(other),
        }
    }
    if unknown.is_some() {
        return Err(wrong(EXPORTER, &exporters, "give otlp, prometheus, none, or several"));
    }
    let own = read("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT");
    let common = config.otlp_endpoint.clone().or_else(|| read("OTEL_EXPORTER_OTLP_ENDPOINT"));
    let below = |base: String| format!("{}/v1/metrics", base.trim_end_matches('/'));
    let endpoint = own.or_else(|| common.map(below)).filter(|_| wanted);
    let origin = match wanted {
        true => Origin::Environment(EXPORTER.into()),
        false => Origin::Default,
    };
    explanation.push("metrics.push", endpoint.as_deref().unwrap_or("off"), origin);
    let Some(endpoint) = endpoint else { return Ok(None) };
    let first = |names: &[&'static str]| {
        names.iter().find_map(|name| read(name).map(|value| (*name, value)))
    };
    // Each is what it must be, or an error: silence would send something else than was asked for.
    let only = |names: &[&'static str], known: &str, problem: &str| match first(names) {
        Some((name, value)) if value != known => Err(wrong(name, &value, problem)),
        _ => Ok(()),
    };
    only(
        &["OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"],
        "http/protobuf",
        "metrics are pushed over http/protobuf alone: say so in OTEL_EXPORTER_OTLP_METRICS_PROTOCOL, \
         with its endpoint in OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    )?;
    only(
        &["OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"],
        "cumulative",
        "metrics are what Prometheus shows, which is cumulative: give cumulative, and let the collector's \
         cumulativetodelta processor make the differences",
    )?;
    only(
        &["OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"],
        "explicit_bucket_histogram",
        "give explicit_bucket_histogram: the buckets are those of the registry",
    )?;
    let mut push = Push::new(endpoint);
    match first(&["OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"]) {
        None => {}
        Some((_, value)) if value == "none" => {}
        Some((_, value)) if value == "gzip" => push = push.gzip(),
        Some((name, value)) => return Err(wrong(name, &value, "give gzip or none")),
    }
    push = push.resource([("service.name", config.service.as_str())]);
    let attributes = pairs(&read, "OTEL_RESOURCE_ATTRIBUTES", false)?;
    push = push.resource(attributes.into_iter().filter(|(key, _)| key != "service.name"));
    if let Some(interval) = milliseconds(&read, "OTEL_METRIC_EXPORT_INTERVAL")? {
        push = push.interval(interval);
    }
    for name in [
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT",
        "OTEL_METRIC_EXPORT_TIMEOUT",
    ] {
        if let Some(timeout) = milliseconds(&read, name)? {
            push = push.timeout(timeout);
        }
    }
    // The signal's own headers replace the common ones (exporter.md, "Endpoint URLs for OTLP/HTTP").
    if let Some((name, _)) =
        first(&["OTEL_EXPORTER_OTLP_METRICS_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"])
    {
        for (key, value) in pairs(&read, name, true)? {
            push = push.header(key, value);
        }
    }
    Ok(Some(push))
}

/// `key=value` pairs with commas between them, percent-encoded as the W3C's baggage.
pub(super) fn pairs(
    read: &dyn Fn(&str) -> Option<String>,
    name: &'static str,
    is_secret: bool,
) -> Result<Vec<(String, String)>, Error> {
    let text = read(name).unwrap_or_default();
    let pairs = text.split(',').filter(|pair| !pair.trim().is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=')?;
        Some((key.trim().to_owned(), percent_decoded(value.trim())?))
    });
    pairs.collect::<Option<_>>().ok_or_else(|| {
        let shown = if is_secret { "***" } else { &text };
        wrong(name, shown, "give key=value pairs with commas between them, percent-encoded")
    })
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(code, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

pub(super) fn milliseconds(
    read: &dyn Fn(&str) -> Option<String>,
    name: &'static str,
) -> Result<Option<Duration>, Error> {
    let Some(text) = read(name) else { return Ok(None) };
    match text.parse() {
        Ok(milliseconds) if milliseconds > 0 => Ok(Some(Duration::from_millis(milliseconds))),
        _ => Err(wrong(name, &text, "give a positive number of milliseconds")),
    }
}

pub(super) fn wrong(name: &'static str, value: &str, problem: &str) -> Error {
    Error::new(Kind::Variable { name, value: value.to_owned(), problem: problem.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_percent_decoded() {
        let read = |_: &str| Some("authorization=Bearer%20a%2Cb, x-y = caf%C3%A9,,".to_owned());
        let found = pairs(&read, EXPORTER, true).map_err(|error| error.to_string());
        let wanted = [("authorization", "Bearer a,b"), ("x-y", "café")];
        assert_eq!(found, Ok(wanted.map(|(key, value)| (key.into(), value.into())).to_vec()));
    }

    #[test]
    fn what_is_no_pair_is_refused_without_telling_a_secret() {
        for text in ["secret", "a=%zz", "a=%2", "a=%ff"] {
            let error =
                pairs(&|_| Some(text.to_owned()), EXPORTER, true).map_err(|e| e.to_string());
            assert!(
                error.is_err_and(|error| error.contains("***") && !error.contains(text)),
                "{text}"
            );
        }
    }
}
