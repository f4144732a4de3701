//! Which exporters the environment asks for.

use crate::environment::{Origin, Resolver, Variable};
use crate::signal::Signal;

/// The exporters of a signal. Default: all, since OpenTelemetry's default is `otlp`,
/// and lines and scrapes are the service's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exporters {
    /// Requests to a collector, where there is an endpoint.
    pub otlp: bool,
    /// Whether `otlp` was named: then the specification's endpoint is the default.
    pub otlp_is_explicit: bool,
    /// Lines, or the answer to a scrape: what needs no collector.
    pub local: bool,
}

impl Exporters {
    /// Without an environment.
    pub const DEFAULT: Self = Self { otlp: true, otlp_is_explicit: false, local: true };

    /// By `OTEL_SDK_DISABLED` and `OTEL_{TRACES,METRICS,LOGS}_EXPORTER`, a list of `otlp`, `none`, and for logs
    /// `console`, for metrics `prometheus`. An unknown name is ignored.
    pub fn resolve(signal: Signal, resolver: &mut Resolver) -> Self {
        let local_name = match signal {
            Signal::Metrics => Some("prometheus"),
            Signal::Logs => Some("console"),
            Signal::Traces => None,
        };
        let parse = |text: &str| Some(text.eq_ignore_ascii_case("true")); // all else is false, by specification
        let disabled = Variable { names: &["OTEL_SDK_DISABLED"], parse: &parse, remedy: "" };
        let disabled = resolver.choose("disabled", None, &disabled, false, bool::to_string);
        let variable = signal.exporter_variable();
        let local = local_name.map(|name| format!("{name}, both with a comma between, "));
        let remedy = format!("give otlp, {}or none", local.unwrap_or_default());
        let mut exporters = Self::DEFAULT;
        let (mut shown, mut origin) = ("otlp".to_owned(), Origin::Default);
        if let Some(text) = resolver.variable(variable) {
            exporters = Self { otlp: false, otlp_is_explicit: false, local: false };
            for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                match name {
                    "otlp" => (exporters.otlp, exporters.otlp_is_explicit) = (true, true),
                    "none" => {}
                    name if Some(name) == local_name => exporters.local = true,
                    _ => resolver.ignore(variable, name, &remedy),
                }
            }
            let named =
                [("otlp", exporters.otlp), (local_name.unwrap_or_default(), exporters.local)];
            let named: Vec<_> =
                named.iter().filter(|(_, is_on)| *is_on).map(|(name, _)| *name).collect();
            shown = if named.is_empty() { "none".to_owned() } else { named.join(",") };
            origin = Origin::Environment(variable);
        }
        resolver.note("exporter", shown, origin);
        exporters.otlp &= !disabled;
        exporters
    }
}
