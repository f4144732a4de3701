//! What is exported: OpenTelemetry's variables, which each pillar reads by the same rules.

use std::sync::Arc;

use obs_otlp::{Resolver, Resource, Setting};
use obs_tracing::SpanBudget;

use super::{Config, Explanation, Origin};
use crate::error::Error;

/// The exports of the three signals, and what is to be said of variables that are left out.
pub(crate) struct Signals {
    pub(crate) traces: obs_tracing::Builder,
    pub(crate) push: obs_metrics::Push,
    pub(crate) records: obs_logging::Otlp,
    pub(crate) ignored: Vec<String>,
}

impl Signals {
    /// Those of a build without telemetry.
    pub(crate) fn off() -> Self {
        Self {
            traces: obs_tracing::Builder::new("off").environment(|_| None),
            push: obs_metrics::Push::new("").environment(|_| None),
            records: obs_logging::Otlp::new("").environment(|_| None),
            ignored: Vec::new(),
        }
    }
}

/// What is the same for all signals is explained once, as the traces'.
const COMMON: [&str; 3] = ["disabled", "resource", "service.name"];

pub(super) fn resolve(
    config: &Config,
    span_budget: Option<SpanBudget>,
    explanation: &mut Explanation,
) -> Result<Signals, Error> {
    let environment = || {
        let environment = Arc::clone(&config.environment);
        move |name: &str| environment(name)
    };
    let endpoint = config.otlp_endpoint.clone().unwrap_or_default();
    let mut traces = obs_tracing::Builder::new(config.service.clone()).environment(environment());
    if let Some(endpoint) = &config.otlp_endpoint {
        traces = traces.endpoint(endpoint.clone());
    }
    if let Some(sampler) = &config.sampler {
        traces = traces.sampler(sampler.clone());
    }
    if let Some(tail) = &config.tail {
        traces = traces.tail(tail.clone());
    }
    if let Some(budget) = span_budget {
        traces = traces.span_budget(budget);
    }
    if let Some(system) = &config.database_system {
        traces = traces.database_system(system.clone());
    }
    if let Some(namespace) = &config.database_namespace {
        traces = traces.database_namespace(namespace.clone());
    }
    for (key, value) in &config.resource {
        traces = traces.resource(key.clone(), value.clone());
    }
    if let Some(change) = &config.tracing {
        traces = change(traces);
    }
    let push = obs_metrics::Push::new(endpoint.clone())
        .environment(environment())
        .resource(config.resource.iter().cloned())
        .resource([("service.name".to_owned(), config.service.clone())]);
    let records = obs_logging::Otlp::new(endpoint).environment(environment());
    let records = config
        .resource
        .iter()
        .fold(records, |records, (key, value)| records.resource(key.clone(), value.clone()))
        .resource("service.name", config.service.clone());
    let (of_push, ignored_by_push) = push.settings().map_err(Error::part("metrics"))?;
    let (of_records, ignored_by_records) = records.settings().map_err(Error::part("logs"))?;
    explanation.extend("metrics", &of_push);
    explanation.extend("logs", &of_records);
    let ignored = [ignored_by_push, ignored_by_records].concat();
    Ok(Signals { traces, push, records, ignored })
}

/// Who tells: whoever deploys has the last word on the service's name.
pub(super) fn service(config: &Config, explanation: &mut Explanation) {
    let lookup = Arc::clone(&config.environment);
    let mut resolver = Resolver::new(Some(lookup));
    let _resource = Resource::resolve(("", ""), &config.service, &[], &mut resolver);
    let named = resolver.settings().iter().find(|setting| setting.name == "service.name");
    if let Some(Setting { value, origin, .. }) = named {
        explanation.push("service", value, Origin::from(*origin));
    }
}

impl Explanation {
    /// Adds the settings of a signal.
    pub(crate) fn extend(&mut self, signal: &str, settings: &[Setting]) {
        let is_said = |setting: &Setting| signal != "traces" && COMMON.contains(&setting.name);
        for setting in settings.iter().filter(|setting| !is_said(setting)) {
            let origin = Origin::from(setting.origin);
            self.push(format!("{signal}.{}", setting.name), setting.value.clone(), origin);
        }
    }
}

impl From<obs_otlp::Origin> for Origin {
    fn from(origin: obs_otlp::Origin) -> Self {
        match origin {
            obs_otlp::Origin::Code => Self::Code,
            obs_otlp::Origin::Environment(name) => Self::Environment(name.into()),
            obs_otlp::Origin::Default => Self::Default,
        }
    }
}
