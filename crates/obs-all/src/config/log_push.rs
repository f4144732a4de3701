//! Whether log lines go to a collector too, by OpenTelemetry's variables.

use obs_logging::Otlp;

use super::push::{milliseconds, pairs, wrong};
use super::{Config, Explanation, Origin};
use crate::error::Error;

const EXPORTER: &str = "OTEL_LOGS_EXPORTER";

/// Sends where `OTEL_LOGS_EXPORTER` is `otlp`; to the usual port of this host unless an endpoint is set.
pub(super) fn resolve(
    config: &Config,
    explanation: &mut Explanation,
) -> Result<Option<Otlp>, Error> {
    let read = |name: &str| (config.environment)(name).filter(|value| !value.is_empty());
    let exporters = read(EXPORTER).unwrap_or_default();
    let mut wanted = false;
    for exporter in exporters.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        match exporter {
            "otlp" => wanted = true,
            // The lines are written either way.
            "console" | "none" => {}
            _ => return Err(wrong(EXPORTER, &exporters, "give otlp, console, none, or several")),
        }
    }
    if !wanted {
        explanation.push("logs.push", "off", Origin::Default);
        return Ok(None);
    }
    check_protocol(&read)?;
    let own = read("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT");
    let common = config.otlp_endpoint.clone().or_else(|| read("OTEL_EXPORTER_OTLP_ENDPOINT"));
    let endpoint = own.or(common).unwrap_or_else(|| "http://localhost:4318".to_owned());
    explanation.push("logs.push", &endpoint, Origin::Environment(EXPORTER.into()));
    let mut otlp = Otlp::new(endpoint).resource("service.name", &config.service);
    for (name, value) in pairs(&read, "OTEL_RESOURCE_ATTRIBUTES", false)? {
        if name != "service.name" {
            otlp = otlp.resource(name, value);
        }
    }
    for name in ["OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT"] {
        if let Some(timeout) = milliseconds(&read, name)? {
            otlp = otlp.timeout(timeout);
        }
    }
    if let Some((name, text)) =
        first(&read, ["OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"])
    {
        otlp = match text.as_str() {
            "gzip" => otlp.gzip(true),
            "none" => otlp,
            _ => return Err(wrong(name, &text, "give gzip or none")),
        };
    }
    let headers = ["OTEL_EXPORTER_OTLP_LOGS_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
    if let Some((name, _)) = first(&read, headers) {
        for (name, value) in pairs(&read, name, true)? {
            otlp = otlp.header(name, value);
        }
    }
    Ok(Some(otlp))
}

/// The signal's own variable wins over the common one.
fn first(
    read: &dyn Fn(&str) -> Option<String>,
    names: [&'static str; 2],
) -> Option<(&'static str, String)> {
    names.into_iter().find_map(|name| Some((name, read(name)?)))
}

fn check_protocol(read: &dyn Fn(&str) -> Option<String>) -> Result<(), Error> {
    let names = ["OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
    match first(read, names) {
        None => Ok(()),
        Some((_, protocol)) if protocol == "http/protobuf" => Ok(()),
        Some((name, other)) => {
            let problem = "logs are sent over http/protobuf alone: say so in \
                           OTEL_EXPORTER_OTLP_LOGS_PROTOCOL, with its endpoint in \
                           OTEL_EXPORTER_OTLP_LOGS_ENDPOINT";
            Err(wrong(name, &other, problem))
        }
    }
}
