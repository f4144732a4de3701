//! Code over environment over defaults, and an error that names the variable.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::time::Duration;

use obs_all::{Config, Error, Origin, Preset};

fn config(variables: &'static [(&'static str, &'static str)]) -> Config {
    Config::new("orders").environment(move |name| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    })
}

fn row(config: &Config, wanted: &str) -> (String, Origin) {
    let explanation = config.explain().unwrap();
    let found = explanation.rows().find(|(name, ..)| *name == wanted);
    found.map(|(_, value, origin)| (value.to_owned(), origin.clone())).unwrap()
}

#[test]
fn code_overrides_environment_and_environment_default() {
    let unset = config(&[]);
    assert_eq!(row(&unset, "log.filter"), ("\"info\"".into(), Origin::Default));
    let set = config(&[("OBS_LOG", "debug"), ("RUST_LOG", "trace")]);
    assert_eq!(
        row(&set, "log.filter"),
        ("\"debug\"".into(), Origin::Environment("OBS_LOG".into()))
    );
    let fallback = config(&[("RUST_LOG", "trace")]);
    assert_eq!(row(&fallback, "log.filter").1, Origin::Environment("RUST_LOG".into()));
    let code = config(&[("OBS_LOG", "debug")]).log_filter("warn");
    assert_eq!(row(&code, "log.filter"), ("\"warn\"".into(), Origin::Code));
}

const SIGNALS: [(&str, &str); 3] = [("traces", "TRACES"), ("metrics", "METRICS"), ("logs", "LOGS")];

fn of(variables: &[(&'static str, &'static str)]) -> Config {
    let variables = variables.to_vec();
    Config::new("orders").environment(move |name| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn one_endpoint_serves_all_signals() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/base");
    for (signal, _) in SIGNALS {
        let row = |variables: &[_], name| row(&of(variables), &format!("{signal}.{name}"));
        let from = Origin::Environment(endpoint.0.into());
        assert_eq!(row(&[], "endpoint"), ("none".into(), Origin::Default));
        assert_eq!(row(&[endpoint], "endpoint"), (endpoint.1.into(), from));
        assert_eq!(row(&[endpoint], "protocol"), ("http/protobuf".into(), Origin::Default));
        let protocol = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
        assert_eq!(row(&[endpoint, protocol], "protocol").0, "grpc");
        let in_code = of(&[endpoint]).otlp_endpoint("http://code:4317");
        let found = crate::row(&in_code, &format!("{signal}.endpoint"));
        assert_eq!(found, ("http://code:4317/".into(), Origin::Code));
    }
}

#[test]
fn signals_can_be_disabled_separately_or_together() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317");
    for (signal, variable) in [
        ("traces", "OTEL_TRACES_EXPORTER"),
        ("metrics", "OTEL_METRICS_EXPORTER"),
        ("logs", "OTEL_LOGS_EXPORTER"),
    ] {
        let config = of(&[endpoint, (variable, "none")]);
        let off = (String::from("none"), Origin::Environment(variable.into()));
        assert_eq!(row(&config, &format!("{signal}.exporter")), off);
        for (other, _) in SIGNALS.iter().filter(|(other, _)| *other != signal) {
            assert_eq!(row(&config, &format!("{other}.exporter")).0, "otlp");
        }
    }
    let config = of(&[endpoint, ("OTEL_SDK_DISABLED", "true")]);
    assert_eq!(row(&config, "traces.disabled").0, "true");
    let explanation = config.explain().unwrap();
    assert!(!explanation.rows().any(|(name, ..)| name.ends_with(".endpoint")), "{explanation}");
}

#[test]
fn environment_names_service() {
    assert_eq!(row(&of(&[]), "service"), ("orders".into(), Origin::Code));
    let name = ("OTEL_SERVICE_NAME", "orders-eu");
    let list = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=orders-us");
    let from = |variable: &str| Origin::Environment(variable.into());
    assert_eq!(row(&of(&[name, list]), "service"), ("orders-eu".into(), from(name.0)));
    assert_eq!(row(&of(&[list]), "service"), ("orders-us".into(), from(list.0)));
    assert_eq!(row(&of(&[list]), "traces.service.name").0, "orders-us");
}

#[test]
fn invalid_endpoint_is_error_with_variable() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/");
    for wrong in [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "c:4318"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "c:4318"),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "c:4318"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "secret"),
        ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "secret=%zz"),
        ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "secret"),
    ] {
        let error = of(&[endpoint, wrong]).explain().unwrap_err().to_string();
        assert!(error.contains(wrong.0) && !error.contains("secret"), "{error}");
    }
    for left_out in [
        ("OTEL_METRICS_EXPORTER", "carrier-pigeon"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "1s"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "thrift"),
        ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "0"),
        ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "lzma"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment"),
    ] {
        assert!(of(&[endpoint, left_out]).explain().is_ok(), "{left_out:?}");
    }
}

#[test]
fn trace_settings_are_explained() {
    let set = config(&[("OTEL_TRACES_SAMPLER", "always_off")]);
    let (value, origin) = row(&set, "traces.sampler");
    assert_eq!(value, "never");
    assert_eq!(origin, Origin::Environment("OTEL_TRACES_SAMPLER".into()));
    let wrong = row(&config(&[("OTEL_TRACES_SAMPLER", "sometimes")]), "traces.sampler");
    assert_eq!(wrong, ("parent_based(always)".to_owned(), Origin::Default));
}

#[test]
fn presets_choose_defaults() {
    let production = config(&[]);
    assert_eq!(row(&production, "shutdown.propagation").0, "5s");
    assert_eq!(row(&production, "log.access").0, "false");
    assert_eq!(row(&production, "admin.addr").0, "127.0.0.1:9464");
    let development = config(&[("OBS_PRESET", "development")]);
    assert_eq!(row(&development, "shutdown.propagation").0, "0ns");
    assert_eq!(row(&development, "log.format").0, "Auto");
    let mixed = config(&[("OBS_SHUTDOWN_PROPAGATION", "3s")]).preset(Preset::Development);
    assert_eq!(row(&mixed, "shutdown.propagation").0, "3s");
    let coded = config(&[]).propagation(Duration::from_secs(9));
    assert_eq!(row(&coded, "shutdown.propagation"), ("9s".into(), Origin::Code));
}

#[test]
fn health_settings_come_from_environment() {
    let unset = config(&[]);
    assert_eq!(row(&unset, "health.watchdog"), ("true".into(), Origin::Default));
    assert_eq!(row(&unset, "health.disable"), ("[]".into(), Origin::Default));
    let set = config(&[("OBS_WATCHDOG", "off"), ("OBS_HEALTH_DISABLE", "redis, search")]);
    assert_eq!(row(&set, "health.watchdog").0, "false");
    assert_eq!(row(&set, "health.disable").0, r#"["redis", "search"]"#);
}

#[test]
fn server_limits_are_validated_settings() {
    let limits = config(&[
        ("OBS_SERVER_IDLE_TIMEOUT", "2m"),
        ("OBS_SERVER_CONNECTIONS", "50"),
        ("OBS_SERVER_CONNECTION_AGE", "1day"),
        ("OBS_SERVER_MIN_BODY_RATE", "0"),
    ]);
    let from = |variable: &str| Origin::Environment(variable.into());
    assert_eq!(
        row(&limits, "server.idle_timeout"),
        ("120s".into(), from("OBS_SERVER_IDLE_TIMEOUT"))
    );
    assert_eq!(row(&limits, "server.connections"), ("50".into(), from("OBS_SERVER_CONNECTIONS")));
    assert_eq!(row(&limits, "server.header_timeout"), ("10s".into(), Origin::Default));
    assert_eq!(
        row(&limits, "server.min_body_rate"),
        ("0".into(), from("OBS_SERVER_MIN_BODY_RATE"))
    );
    assert_eq!(row(&limits, "server.min_write_rate"), ("240".into(), Origin::Default));
    let code = obs_all::health::ServerLimits {
        idle_timeout: std::time::Duration::from_secs(300),
        ..Default::default()
    };
    assert_eq!(
        row(&limits.server_limits(code), "server.idle_timeout"),
        ("300s".into(), Origin::Code)
    );
    for (variable, value) in [
        ("OBS_SERVER_CONNECTIONS", "0"),
        ("OBS_SERVER_CONNECTIONS", "many"),
        ("OBS_SERVER_HEADER_TIMEOUT", "0s"),
        ("OBS_SERVER_WRITE_TIMEOUT", "soon"),
        ("OBS_SERVER_MIN_WRITE_RATE", "-1"),
    ] {
        let one: &'static [(&'static str, &'static str)] = Box::leak(Box::new([(variable, value)]));
        let error = wrong(one).to_string();
        assert!(error.contains(variable) && error.contains("give a "), "{error}");
    }
}

#[test]
fn client_and_database_attributes_are_settings() {
    let unset = config(&[]);
    assert_eq!(row(&unset, "server.trusted_proxies"), ("0".into(), Origin::Default));
    assert_eq!(row(&unset, "traces.database.namespace"), ("none".into(), Origin::Default));
    let set = config(&[("OBS_TRUSTED_PROXIES", "2")]).database_namespace("shop|public");
    let from = Origin::Environment("OBS_TRUSTED_PROXIES".into());
    assert_eq!(row(&set, "server.trusted_proxies"), ("2".into(), from));
    assert_eq!(row(&set, "traces.database.namespace"), ("shop|public".into(), Origin::Code));
    let coded = set.trusted_proxies(1).database_system("postgresql");
    assert_eq!(row(&coded, "server.trusted_proxies"), ("1".into(), Origin::Code));
    assert_eq!(row(&coded, "traces.database.system"), ("postgresql".into(), Origin::Code));
    let error = wrong(&[("OBS_TRUSTED_PROXIES", "300")]).to_string();
    assert!(error.contains("OBS_TRUSTED_PROXIES") && error.contains("0 to 255"), "{error}");
}

#[test]
fn secrets_are_never_shown() {
    let set = config(&[("OBS_ADMIN_TOKEN", "hunter2")]);
    assert_eq!(row(&set, "admin.token").0, "***");
    assert!(!set.explain().unwrap().to_string().contains("hunter2"));
}

fn wrong(variables: &'static [(&'static str, &'static str)]) -> Error {
    config(variables).explain().unwrap_err()
}

#[test]
fn invalid_value_names_variable_and_remedy() {
    for (variables, variable, remedy) in [
        (&[("OBS_PRESET", "prod")], "OBS_PRESET", "production or development"),
        (&[("OBS_LOG_FORMAT", "xml")], "OBS_LOG_FORMAT", "json, console or auto"),
        (&[("OBS_ADMIN_ADDR", "9464")], "OBS_ADMIN_ADDR", "127.0.0.1:9464"),
        (&[("OBS_ADMIN_ADDR", "unix:")], "OBS_ADMIN_ADDR", "unix: and a path"),
        (&[("OBS_GRACE_PERIOD", "long")], "OBS_GRACE_PERIOD", "5s or 500ms"),
        (&[("OBS_ACCESS_LOG", "yes?")], "OBS_ACCESS_LOG", "on or off"),
        (&[("OBS_LOG_BUDGET", "1MB/h")], "OBS_LOG_BUDGET", "1MB/s"),
        (&[("OBS_SPAN_BUDGET", "lots")], "OBS_SPAN_BUDGET", "1000/s"),
        (&[("OBS_SERIES_BUDGET", "0")], "OBS_SERIES_BUDGET", "1 or more"),
        (&[("OBS_LOG", "")], "OBS_LOG", "unset it"),
        (&[("OBS_WATCHDOG", "maybe")], "OBS_WATCHDOG", "on or off"),
    ] {
        let error = wrong(variables);
        assert_eq!(error.variable(), Some(variable));
        let text = error.to_string();
        assert!(text.contains(variable) && text.contains(remedy), "{text}");
    }
    let unnamed = Config::new("").explain().unwrap_err().to_string();
    assert!(unnamed.contains("plain name"), "{unnamed}");
}
