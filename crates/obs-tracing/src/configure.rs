//! What each setting is, of the code's word, the environment's and the default.

use std::time::Duration;

use crate::builder::{Builder, Connect};
use crate::environment::{Resolver, pairs, wrong};
use crate::export::{Pace, Transport};
use crate::propagate::Propagators;
use crate::record::Limits;
use crate::resource::Resource;
use crate::{Error, Sampler};

pub(crate) fn resource(resolver: &mut Resolver, code: &Builder) -> Result<Resource, Error> {
    let mut resource = Resource::detect(|name| resolver.variable(name));
    let listed = resolver.choose(
        "resource",
        None,
        &["OTEL_RESOURCE_ATTRIBUTES"],
        pairs,
        "give `key=value,key=value`, with commas in values as `%2C`",
        Vec::new(),
        |pairs| pairs.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>().join(","),
    )?;
    let in_list = listed.iter().find(|(key, _)| key == "service.name");
    let in_list = in_list.map(|(_, name)| name.clone());
    let service = resolver.choose(
        "service.name",
        (!code.service.is_empty()).then(|| code.service.clone()),
        &["OTEL_SERVICE_NAME"],
        |text| Some(text.to_owned()),
        "",
        in_list.unwrap_or_else(|| "unknown_service".to_owned()),
        String::clone,
    )?;
    for (key, value) in listed.iter().chain(&code.resource) {
        resource.set(key, value);
    }
    resource.set("service.name", &service);
    Ok(resource)
}

pub(crate) fn sampler(resolver: &mut Resolver, code: Option<Sampler>) -> Result<Sampler, Error> {
    const VARIABLE: &str = "OTEL_TRACES_SAMPLER";
    const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";
    let share = match resolver.variable(ARGUMENT).filter(|_| code.is_none()) {
        None => 1.0,
        Some(text) => {
            let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
            share.ok_or_else(|| wrong(ARGUMENT, &text, "give a number from 0 to 1"))?
        }
    };
    let named = |name: &str| match name {
        "always_on" => Some(Sampler::always()),
        "always_off" => Some(Sampler::never()),
        "traceidratio" => Some(Sampler::ratio(share)),
        "parentbased_always_on" => Some(Sampler::parent_based(Sampler::always())),
        "parentbased_always_off" => Some(Sampler::parent_based(Sampler::never())),
        "parentbased_traceidratio" => Some(Sampler::parent_based(Sampler::ratio(share))),
        _ => None,
    };
    let remedy = "give always_on, always_off, traceidratio, parentbased_always_on, \
                  parentbased_always_off or parentbased_traceidratio";
    let default = Sampler::default();
    resolver.choose("sampler", code, &[VARIABLE], named, remedy, default, Sampler::to_string)
}

pub(crate) fn propagators(
    resolver: &mut Resolver,
    code: Option<Propagators>,
) -> Result<Propagators, Error> {
    resolver.choose(
        "propagators",
        code,
        &["OTEL_PROPAGATORS"],
        |list| Propagators::parse(list).ok(),
        "give names out of tracecontext, baggage, b3, b3multi, jaeger, none, separated by commas",
        Propagators::default(),
        Propagators::to_string,
    )
}

pub(crate) fn limits(resolver: &mut Resolver, code: Option<Limits>) -> Result<Limits, Error> {
    let default = Limits::default();
    let attributes = &["OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"];
    let length = &["OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"];
    let mut count = |name, code, variables, default| resolver.count(name, code, variables, default);
    let of = |field: fn(&Limits) -> u32| code.as_ref().map(field);
    Ok(Limits {
        attributes: count(
            "limits.attributes",
            of(|limits| limits.attributes),
            attributes,
            default.attributes,
        )?,
        events: count(
            "limits.events",
            of(|limits| limits.events),
            &["OTEL_SPAN_EVENT_COUNT_LIMIT"],
            default.events,
        )?,
        links: count(
            "limits.links",
            of(|limits| limits.links),
            &["OTEL_SPAN_LINK_COUNT_LIMIT"],
            default.links,
        )?,
        event_attributes: count(
            "limits.event_attributes",
            of(|limits| limits.event_attributes),
            &["OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT"],
            default.event_attributes,
        )?,
        value_length: count(
            "limits.value_length",
            of(|limits| limits.value_length),
            length,
            default.value_length,
        )?,
    })
}

pub(crate) fn pace(resolver: &mut Resolver, code: &Builder) -> Result<Pace, Error> {
    let delay = resolver.millis(
        "delay",
        code.delay,
        &["OTEL_BSP_SCHEDULE_DELAY"],
        Duration::from_secs(1),
    )?;
    let batch =
        resolver.count("batch_size", code.batch, &["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"], 2048)?;
    let timeouts = &["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
    let timeout = resolver.millis("timeout", code.timeout, timeouts, Duration::from_secs(10))?;
    let retry_for = resolver.millis(
        "retry_for",
        code.retry_for,
        &["OTEL_BSP_EXPORT_TIMEOUT"],
        Duration::from_secs(60),
    )?;
    Ok(Pace { delay, batch: batch.max(1) as usize, timeout, retry_for })
}

pub(crate) fn queue(resolver: &mut Resolver, code: Option<u32>) -> Result<usize, Error> {
    let spans = resolver.count("queue_size", code, &["OTEL_BSP_MAX_QUEUE_SIZE"], 32_768)?;
    Ok(spans as usize)
}

/// How to reach a collector; `None` when nothing is to be exported.
pub(crate) fn transport(
    resolver: &mut Resolver,
    code: &mut Builder,
    resource: &Resource,
) -> Result<Option<Connect>, Error> {
    #[cfg(not(feature = "otel-sdk"))]
    let _ = resource; // requests begin with it, which are encoded elsewhere
    #[cfg(feature = "otel-sdk")]
    if let Some(mut exporter) = code.exporter.take() {
        exporter.begin(resource);
        return Ok(Some(Box::new(move || Ok(Transport::Sdk(exporter)))));
    }
    if let Some(function) = code.function.take() {
        return Ok(Some(Box::new(move || Ok(Transport::Function(function)))));
    }
    let disabled = resolver.choose(
        "disabled",
        None,
        &["OTEL_SDK_DISABLED"],
        |text| Some(text.eq_ignore_ascii_case("true")), // anything else is false, by specification
        "",
        false,
        bool::to_string,
    )?;
    let exporter = resolver.choose(
        "exporter",
        None,
        &["OTEL_TRACES_EXPORTER"],
        |text| ["otlp", "none"].into_iter().find(|known| *known == text),
        "give otlp or none",
        "otlp",
        |name| (*name).to_owned(),
    )?;
    let target = crate::target::of(resolver, code)?;
    if disabled || exporter == "none" { Ok(None) } else { Ok(target) }
}
