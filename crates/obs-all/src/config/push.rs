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
    for name in ["OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
        match read(name).as_deref() {
            None => {}
            Some("http/protobuf") => break,
            Some(other) => {
                let problem = "metrics are pushed over http/protobuf alone: say so in \
                               OTEL_EXPORTER_OTLP_METRICS_PROTOCOL, with its endpoint in \
                               OTEL_EXPORTER_OTLP_METRICS_ENDPOINT";
                return Err(wrong(name, other, problem));
            }
        }
    }
    let mut push = Push::new(endpoint).resource([("service.name", config.service.as_str())]);
    if let Some(interval) = milliseconds(&read, "OTEL_METRIC_EXPORT_INTERVAL")? {
        push = push.interval(interval);
    }
    if let Some(timeout) = milliseconds(&read, "OTEL_METRIC_EXPORT_TIMEOUT")? {
        push = push.timeout(timeout);
    }
    for name in ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_METRICS_HEADERS"] {
        for pair in read(name).unwrap_or_default().split(',').filter(|pair| !pair.is_empty()) {
            // The text may be a secret: it is not repeated.
            let Some((key, value)) = pair.split_once('=') else {
                return Err(wrong(name, "***", "give key=value pairs with commas between them"));
            };
            push = push.header(key.trim(), value.trim());
        }
    }
    Ok(Some(push))
}

fn milliseconds(
    read: &dyn Fn(&str) -> Option<String>,
    name: &'static str,
) -> Result<Option<Duration>, Error> {
    let Some(text) = read(name) else { return Ok(None) };
    match text.parse() {
        Ok(milliseconds) if milliseconds > 0 => Ok(Some(Duration::from_millis(milliseconds))),
        _ => Err(wrong(name, &text, "give a positive number of milliseconds")),
    }
}

fn wrong(name: &'static str, value: &str, problem: &str) -> Error {
    Error::new(Kind::Variable { name, value: value.to_owned(), problem: problem.to_owned() })
}
