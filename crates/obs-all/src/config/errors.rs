//! Settings of error tracking: Sentry's variables, and those of the service.

use std::sync::Arc;

use obs_otlp::{Resolver, Resource};

use crate::config::{Config, Explanation, Origin};

pub(crate) fn resolve(config: &Config, explanation: &mut Explanation) -> obs_errors::Builder {
    let read = |name: &str| (config.environment)(name).filter(|value| !value.trim().is_empty());
    let mut resolver = Resolver::new(Some(Arc::clone(&config.environment)));
    let resource = Resource::resolve(("", ""), &config.service, &[], &mut resolver);
    let said =
        |name: &str| resource.text(name).filter(|value| !value.is_empty()).map(str::to_owned);
    let service = said("service.name").unwrap_or_else(|| config.service.clone());
    let mut builder = obs_errors::Builder::new(service.clone());
    let mut explain = |name: &str, found: &Option<(String, Origin)>, secret: bool| {
        let (value, origin) = match found {
            Some((value, origin)) => (value.as_str(), origin.clone()),
            None => ("none", Origin::Default),
        };
        let value = if secret && found.is_some() { "***" } else { value };
        explanation.push(name, value, origin);
    };
    let variable =
        |name: &'static str| read(name).map(|value| (value, Origin::Environment(name.to_owned())));
    let attribute = |name: &str| {
        Some((said(name)?, Origin::Environment("OTEL_RESOURCE_ATTRIBUTES".to_owned())))
    };
    explain("errors.dsn", &variable("SENTRY_DSN"), true);
    let environment = variable("SENTRY_ENVIRONMENT")
        .or_else(|| attribute("deployment.environment.name"))
        .or_else(|| attribute("deployment.environment"));
    explain("errors.environment", &environment, false);
    let version = || {
        let (version, origin) = attribute("service.version")?;
        Some((format!("{service}@{version}"), origin))
    };
    let release = variable("SENTRY_RELEASE").or_else(version);
    explain("errors.release", &release, false);
    explain("errors.sample_rate", &variable("SENTRY_SAMPLE_RATE"), false);
    if let Some((environment, _)) = environment {
        builder = builder.environment_name(environment);
    }
    if let Some((release, _)) = release {
        builder = builder.release(release);
    }
    let environment = Arc::clone(&config.environment);
    builder = builder.environment(move |name| environment(name));
    match &config.errors {
        Some(change) => change(builder),
        None => builder,
    }
}
