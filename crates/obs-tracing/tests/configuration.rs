//! Code over environment over defaults; a wrong value is an error that names its variable.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]

mod common;

use std::collections::HashMap;

use common::Exported;
#[cfg(feature = "otlp")]
use obs_tracing::Protocol;
use obs_tracing::{Builder, Limits, Origin, Sampler, Setting};
use tracing::info_span;
use tracing_subscriber::prelude::*;

fn with(variables: &[(&str, &str)]) -> Builder {
    let variables: HashMap<_, _> =
        variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Builder::new("code").environment(move |name| variables.get(name).cloned())
}

fn setting(builder: Builder, name: &str) -> Setting {
    let (_layer, traces) = builder.build().unwrap();
    traces.settings().iter().find(|setting| setting.name == name).unwrap().clone()
}

#[track_caller]
fn is(builder: Builder, name: &str, value: &str, origin: Origin) {
    let setting = setting(builder, name);
    assert_eq!((setting.value.as_str(), setting.origin), (value, origin));
}

#[cfg(feature = "otlp")]
fn error(variables: &[(&str, &str)]) -> String {
    with(variables).build().unwrap_err().to_string()
}

#[test]
fn code_overrides_environment() {
    let variables = [("OTEL_TRACES_SAMPLER", "always_off"), ("OTEL_SERVICE_NAME", "env")];
    let variable = Origin::Environment("OTEL_TRACES_SAMPLER");
    is(with(&variables), "sampler", "never", variable);
    is(with(&variables).sampler(Sampler::ratio(0.5)), "sampler", "ratio(0.5)", Origin::Code);
    is(with(&[]), "sampler", "parent_based(always)", Origin::Default);
    let named_by = Origin::Environment("OTEL_SERVICE_NAME"); // whoever deploys names the service
    is(with(&variables), "service.name", "env", named_by);
    is(with(&[]), "service.name", "code", Origin::Code);
    let unnamed = Builder::new("")
        .environment(|name| (name == "OTEL_SERVICE_NAME").then(|| "env".to_owned()));
    is(unnamed, "service.name", "env", named_by);
}

#[test]
fn environment_is_ignored_by_default() {
    is(Builder::new("x"), "endpoint", "none", Origin::Default);
}

#[test]
fn sampler_variables_select_sampler() {
    for (name, argument, expected) in [
        ("always_on", "0.5", "always"),
        ("traceidratio", "0.25", "ratio(0.25)"),
        ("traceidratio", "1", "always"),
        ("parentbased_traceidratio", "0.1", "parent_based(ratio(0.1))"),
        ("parentbased_always_off", "", "parent_based(never)"),
    ] {
        let variables = [("OTEL_TRACES_SAMPLER", name), ("OTEL_TRACES_SAMPLER_ARG", argument)];
        assert_eq!(setting(with(&variables), "sampler").value, expected);
    }
}

#[cfg(feature = "otlp")]
#[test]
fn traces_variable_overrides_general_variable() {
    let general = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318/base");
    let special = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:1/special");
    let variable = Origin::Environment(general.0);
    is(with(&[general]), "endpoint", "http://127.0.0.1:4318/base", variable);
    is(with(&[general]), "protocol", "http/protobuf", Origin::Default);
    let variable = Origin::Environment(special.0);
    is(with(&[general, special]), "endpoint", "http://127.0.0.1:1/special", variable);
    is(with(&[special]).protocol(Protocol::Grpc), "protocol", "grpc", Origin::Code);
    is(with(&[special]), "protocol", "http/protobuf", Origin::Default);
    is(with(&[(special.0, "http://127.0.0.1:1")]), "protocol", "grpc", Origin::Default);
}

#[cfg(feature = "otlp")]
#[test]
fn secrets_are_not_displayed() {
    let builder = with(&[
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20s3cr3t,x-tenant=7"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:s3cr3t@127.0.0.1:4317"),
    ]);
    let (_layer, traces) = builder.build().unwrap();
    let listed: Vec<_> = traces.settings().iter().map(Setting::to_string).collect();
    assert!(!listed.join("\n").contains("s3cr3t"), "{listed:#?}");
    let headers =
        "header = authorization,x-tenant (environment variable OTEL_EXPORTER_OTLP_HEADERS)";
    assert!(listed.iter().any(|line| line == headers), "{listed:#?}");
}

#[test]
fn invalid_value_is_reported_with_variable_and_remedy() {
    for (variables, remedy) in [
        (&[("OTEL_TRACES_SAMPLER", "sometimes")][..], "parentbased_traceidratio"),
        (&[("OTEL_TRACES_SAMPLER_ARG", "2")], "from 0 to 1"),
        (&[("OTEL_PROPAGATORS", "w3c")], "tracecontext"),
        (&[("OTEL_TRACES_EXPORTER", "zipkin")], "give otlp"),
        (&[("OTEL_RESOURCE_ATTRIBUTES", "no value")], "key=value"),
        (&[("OTEL_BSP_MAX_QUEUE_SIZE", "-1")], "whole number"),
        (&[("OTEL_BSP_SCHEDULE_DELAY", "0")], "milliseconds"),
        (&[("OTEL_SPAN_EVENT_COUNT_LIMIT", "many")], "whole number"),
    ] {
        let (_layer, traces) = with(variables).build().unwrap();
        let message = traces.ignored().join("\n");
        let (name, value) = variables[0];
        assert!(message.contains(name) && message.contains(value), "{message}");
        assert!(message.contains(remedy), "{message}");
    }
}

#[cfg(feature = "otlp")]
#[test]
fn invalid_endpoint_is_error() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
    for (name, value, remedy) in [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "127.0.0.1:4317", "http://127.0.0.1:4317"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "novalue", "name=value"),
    ] {
        let message = error(&[endpoint, (name, value)]);
        assert!(message.contains(name) && message.contains(remedy), "{message}");
    }
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_HEADERS", "Bearer s3cret"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "authorization=ok,s3cret"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://user:s3cret@collector"),
    ] {
        let message = error(&[endpoint, (name, value)]);
        assert!(message.contains(name) && !message.contains("s3cret"), "{message}");
    }
    let message = Builder::new("x").endpoint("nonsense").build().unwrap_err().to_string();
    assert!(message.contains("nonsense") && message.contains("http://127.0.0.1:4317"), "{message}");
    let to = || Builder::new("x").endpoint(endpoint.1);
    let message = to().header("bad name", "x").build().unwrap_err().to_string();
    assert!(message.contains("bad name"), "{message}");
    if !cfg!(feature = "tls") {
        let message = Builder::new("x").endpoint("https://a.example").build().unwrap_err();
        assert!(message.to_string().contains("`tls`"), "{message}");
    }
}

#[test]
fn empty_variables_count_as_unset() {
    let empty = ["OTEL_TRACES_SAMPLER", "OTEL_PROPAGATORS", "OTEL_EXPORTER_OTLP_ENDPOINT"];
    let variables: Vec<_> = empty.into_iter().map(|name| (name, " ")).collect();
    let (_layer, traces) = with(&variables).build().unwrap();
    let of_environment = |setting: &&Setting| matches!(setting.origin, Origin::Environment(_));
    assert_eq!(traces.settings().iter().find(of_environment), None);
}

#[test]
fn resource_has_configured_and_detected_attributes() {
    let exported = Exported::default();
    let builder = with(&[
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "service.version=1.2.3,deployment.environment.name=env,note=a%2Cb",
        ),
        ("POD_NAME", "orders-7"),
    ]);
    let builder = builder.resource("deployment.environment.name", "production");
    let (layer, traces) = exported.on(builder).build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        info_span!("span").in_scope(|| {});
    });
    common::flush(&traces);
    let resource = exported.requests()[0].resource_spans[0].resource.clone().unwrap();
    let text = format!("{resource:?}");
    for expected in ["code", "1.2.3", "production", "a,b", "orders-7", "obs-tracing", "rust"] {
        assert!(text.contains(&format!("{expected:?}")), "{expected} in {text}");
    }
    let mut keys: Vec<_> = resource.attributes.iter().map(|known| &known.key).collect();
    let all = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), all, "every attribute once");
    assert!(keys.iter().any(|key| key.as_str() == "service.instance.id"));
}

#[test]
fn environment_disables_tracing() {
    for variables in [("OTEL_SDK_DISABLED", "TRUE"), ("OTEL_TRACES_EXPORTER", "none")] {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
        let (layer, traces) = with(&[variables, endpoint]).build().unwrap();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            info_span!("span").in_scope(|| {});
        });
        assert_eq!((traces.counts().started, traces.counts().sampled_out), (1, 1));
    }
}

#[test]
fn environment_sets_limits() {
    let limited = || {
        with(&[
            ("OTEL_ATTRIBUTE_COUNT_LIMIT", "5"),
            ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "10"),
        ])
    };
    assert_eq!(setting(limited(), "limits.attributes").value, "5");
    assert_eq!(setting(limited(), "limits.value_length").value, "10");
    is(limited().limits(Limits::default()), "limits.attributes", "128", Origin::Code);
}
