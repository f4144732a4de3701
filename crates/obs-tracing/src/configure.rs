//! Resolves the settings: code, then environment, then default.

use std::time::Duration;

use obs_otlp::environment::Variable;
use obs_otlp::{Error, Exporters, Options, Resolver, Signal};

use crate::export::{ExportSettings, Transport};
use crate::propagate::Propagators;
use crate::record::Limits;
use crate::sample::Sampler;

pub(crate) fn sampler(resolver: &mut Resolver, code: Option<Sampler>) -> Sampler {
    const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";
    let mut share = 1.0;
    if let Some(text) = resolver.variable(ARGUMENT).filter(|_| code.is_none()) {
        match text.parse().ok().filter(|share| (0.0..=1.0).contains(share)) {
            Some(known) => share = known,
            None => resolver.ignore(ARGUMENT, &text, "give a number from 0 to 1"),
        }
    }
    let named = |name: &str| match name {
        "always_on" => Some(Sampler::always()),
        "always_off" => Some(Sampler::never()),
        "traceidratio" => Some(Sampler::ratio(share)),
        "parentbased_always_on" => Some(Sampler::parent_based(Sampler::always())),
        "parentbased_always_off" => Some(Sampler::parent_based(Sampler::never())),
        "parentbased_traceidratio" => Some(Sampler::parent_based(Sampler::ratio(share))),
        _ => None,
    };
    let variable = Variable {
        names: &["OTEL_TRACES_SAMPLER"],
        parse: &named,
        remedy: "give always_on, always_off, traceidratio, parentbased_always_on, \
                 parentbased_always_off or parentbased_traceidratio",
    };
    resolver.choose("sampler", code, &variable, Sampler::default(), Sampler::to_string)
}

pub(crate) fn propagators(resolver: &mut Resolver, code: Option<Propagators>) -> Propagators {
    let variable = Variable {
        names: &["OTEL_PROPAGATORS"],
        parse: &|list: &str| Propagators::parse(list).ok(),
        remedy: "give names out of tracecontext, baggage, b3, b3multi, jaeger, none, separated by commas",
    };
    resolver.choose("propagators", code, &variable, Propagators::default(), Propagators::to_string)
}

pub(crate) fn limits(resolver: &mut Resolver, code: Option<Limits>) -> Limits {
    let default = Limits::default();
    let attributes = &["OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"];
    let length = &["OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"];
    let mut count = |name, code, variables, default| resolver.count(name, code, variables, default);
    let of = |field: fn(&Limits) -> u32| code.as_ref().map(field);
    Limits {
        attributes: count(
            "limits.attributes",
            of(|limits| limits.attributes),
            attributes,
            default.attributes,
        ),
        events: count(
            "limits.events",
            of(|limits| limits.events),
            &["OTEL_SPAN_EVENT_COUNT_LIMIT"],
            default.events,
        ),
        links: count(
            "limits.links",
            of(|limits| limits.links),
            &["OTEL_SPAN_LINK_COUNT_LIMIT"],
            default.links,
        ),
        event_attributes: count(
            "limits.event_attributes",
            of(|limits| limits.event_attributes),
            &["OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT"],
            default.event_attributes,
        ),
        value_length: count(
            "limits.value_length",
            of(|limits| limits.value_length),
            length,
            default.value_length,
        ),
    }
}

pub(crate) fn export_settings(
    resolver: &mut Resolver,
    delay: Option<Duration>,
    batch: Option<u32>,
    timeout: Option<Duration>,
) -> ExportSettings {
    let delay =
        resolver.millis("delay", delay, &["OTEL_BSP_SCHEDULE_DELAY"], Duration::from_secs(1));
    let batch = resolver.count("batch_size", batch, &["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"], 2048);
    let timeout = timeout.unwrap_or(Duration::from_secs(10));
    ExportSettings { delay, batch: batch.max(1) as usize, timeout }
}

pub(crate) fn queue(resolver: &mut Resolver, code: Option<u32>) -> usize {
    resolver.count("queue_size", code, &["OTEL_BSP_MAX_QUEUE_SIZE"], 32_768) as usize
}

/// How to reach a collector, where the code gives nothing in its place; `None` when nothing is to be exported.
pub(crate) fn transport(
    resolver: &mut Resolver,
    own: Option<Transport>,
    code: &Options,
) -> Result<Option<Transport>, Error> {
    if own.is_some() {
        return Ok(own);
    }
    let wanted = Exporters::resolve(Signal::Traces, resolver);
    otlp(resolver, code, wanted)
}

#[cfg(feature = "otlp")]
fn otlp(
    resolver: &mut Resolver,
    code: &Options,
    wanted: Exporters,
) -> Result<Option<Transport>, Error> {
    let defaults = obs_otlp::Defaults {
        timeout_variables: &[],
        retry_variables: &["OTEL_BSP_EXPORT_TIMEOUT"],
        retry_for: Duration::from_secs(60),
    };
    let exporter = code.exporter(Signal::Traces, wanted, defaults, resolver)?;
    Ok(exporter.map(|exporter| Transport::Otlp(Box::new(exporter))))
}

#[cfg(not(feature = "otlp"))]
fn otlp(
    resolver: &mut Resolver,
    code: &Options,
    wanted: Exporters,
) -> Result<Option<Transport>, Error> {
    let variables = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
    let is_asked_for = code.endpoint.is_some() || resolver.first(&variables).is_some();
    match is_asked_for && wanted.otlp {
        false => Ok(None),
        true => Err(Error::new(
            "spans cannot be sent to the endpoint that is configured",
            "enable the feature `otlp` of obs-tracing",
        )),
    }
}
