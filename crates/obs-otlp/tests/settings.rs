//! Code over environment over defaults, for every signal by the same rules.

#![cfg(feature = "export")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use obs_otlp::{Defaults, Exporters, Options, Origin, Resolver, Resource, ResourceValue, Signal};

const ALL: [(Signal, &str, &str); 3] = [
    (Signal::Traces, "TRACES", "traces"),
    (Signal::Metrics, "METRICS", "metrics"),
    (Signal::Logs, "LOGS", "logs"),
];

const DEFAULTS: Defaults<'static> =
    Defaults { timeout_variables: &[], retry_variables: &[], retry_for: Duration::from_secs(30) };

fn resolver(variables: &[(&str, &str)]) -> Resolver {
    let variables: HashMap<String, String> =
        variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Resolver::new(Some(Arc::new(move |name: &str| variables.get(name).cloned())))
}

/// The exporter's settings, and where it sends to (of its `Debug`).
fn resolved(signal: Signal, options: &Options, variables: &[(&str, &str)]) -> (String, Resolver) {
    let mut resolver = resolver(variables);
    let wanted = Exporters::resolve(signal, &mut resolver);
    let exporter = options.exporter(signal, wanted, DEFAULTS, &mut resolver).unwrap();
    (exporter.map_or("none".to_owned(), |exporter| format!("{exporter:?}")), resolver)
}

fn error(signal: Signal, options: &Options, variables: &[(&str, &str)]) -> String {
    let mut resolver = resolver(variables);
    let wanted = Exporters::resolve(signal, &mut resolver);
    options.exporter(signal, wanted, DEFAULTS, &mut resolver).unwrap_err().to_string()
}

fn setting(resolver: &Resolver, name: &str) -> (String, Origin) {
    let found = resolver.settings().iter().find(|setting| setting.name == name);
    let found = found.unwrap_or_else(|| panic!("{name} is no setting"));
    (found.value.clone(), found.origin)
}

#[test]
fn protocol_follows_port_and_path_of_endpoint() {
    for (signal, upper, lower) in ALL {
        let own = format!("OTEL_EXPORTER_OTLP_{upper}_ENDPOINT");
        let general = "OTEL_EXPORTER_OTLP_ENDPOINT";
        for (variable, endpoint, url, protocol) in [
            (general, "http://c:4317", String::new(), "grpc"),
            (general, "http://c:4318", format!("http://c:4318/v1/{lower}"), "http/protobuf"),
            (general, "http://c:4318/", format!("http://c:4318/v1/{lower}"), "http/protobuf"),
            (general, "http://c/otlp/", format!("http://c/otlp/v1/{lower}"), "http/protobuf"),
            (general, "http://c", String::new(), "grpc"),
            (&own, "http://c/as/it/is", "http://c/as/it/is".to_owned(), "http/protobuf"),
            (&own, "http://c:4318/", "http://c:4318/".to_owned(), "http/protobuf"),
            (&own, "http://c:4317", String::new(), "grpc"),
        ] {
            let (to, resolver) = resolved(signal, &Options::default(), &[(variable, endpoint)]);
            assert_eq!(setting(&resolver, "protocol"), (protocol.to_owned(), Origin::Default));
            assert_eq!(
                setting(&resolver, "endpoint").0.trim_end_matches('/'),
                endpoint.trim_end_matches('/')
            );
            match protocol {
                "grpc" => assert!(to.contains("Service/Export"), "{to}"),
                _ => assert!(to.contains(&format!("{url:?}")), "{to} is not {url}"),
            }
        }
    }
}

#[test]
fn exporter_is_off_without_endpoint() {
    for (signal, upper, _) in ALL {
        let exporter = format!("OTEL_{upper}_EXPORTER");
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317");
        let options = Options::default();
        assert_eq!(resolved(signal, &options, &[]).0, "none");
        assert_ne!(resolved(signal, &options, &[endpoint]).0, "none");
        let asked = resolved(signal, &options, &[(&exporter, "otlp")]);
        assert!(asked.0.contains("http://localhost:4318/v1/"), "{}", asked.0);
        for off in [(exporter.as_str(), "none"), ("OTEL_SDK_DISABLED", "True")] {
            assert_eq!(resolved(signal, &options, &[endpoint, off]).0, "none", "{off:?}");
        }
        assert_ne!(resolved(signal, &options, &[endpoint, ("OTEL_SDK_DISABLED", "1")]).0, "none");
    }
}

#[test]
fn exporter_variables_select_exporters() {
    for (signal, upper, _) in ALL {
        let variable = format!("OTEL_{upper}_EXPORTER");
        let (local, has_local) = match signal {
            Signal::Metrics => ("prometheus", true),
            Signal::Logs => ("console", true),
            Signal::Traces => ("console", false), // spans are written nowhere
        };
        let unknown = usize::from(!has_local);
        for (list, otlp, is_local, ignored) in [
            ("otlp", true, false, 0),
            (local, false, has_local, unknown),
            (&format!("otlp, {local}"), true, has_local, unknown),
            ("none", false, false, 0),
            ("zipkin", false, false, 1),
            ("zipkin,otlp,logging", true, false, 2),
        ] {
            let mut resolver = resolver(&[(&variable, list)]);
            let found = Exporters::resolve(signal, &mut resolver);
            assert_eq!((found.otlp, found.local), (otlp, is_local), "{list}");
            assert_eq!(resolver.ignored().len(), ignored, "{list}");
            assert!(resolver.ignored().iter().all(|text| text.contains(&variable)));
        }
    }
}

#[test]
fn invalid_variables_are_ignored_with_warning() {
    for (signal, upper, _) in ALL {
        let own = |option: &str| format!("OTEL_EXPORTER_OTLP_{upper}_{option}");
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318");
        for (name, option, wrong, general, expected) in [
            ("protocol", "PROTOCOL", "thrift", "http/json", "http/json"),
            ("compression", "COMPRESSION", "lzma", "none", "none"),
            ("timeout", "TIMEOUT", "10s", "250", "250ms"),
            ("timeout", "TIMEOUT", "0", "250", "250ms"),
        ] {
            let (own, common) = (own(option), format!("OTEL_EXPORTER_OTLP_{option}"));
            let variables = [endpoint, (&own, wrong), (&common, general)];
            let (_, resolver) = resolved(signal, &Options::default(), &variables);
            let ignored = resolver.ignored();
            assert!(ignored.len() == 1 && ignored[0].contains(&own), "{ignored:?}");
            assert!(ignored[0].contains("give ") && ignored[0].contains("left out"), "{ignored:?}");
            let (value, origin) = setting(&resolver, name);
            assert_eq!(value, expected);
            assert!(matches!(origin, Origin::Environment(from) if from == common), "{origin}");
        }
    }
}

#[test]
fn invalid_endpoints_and_headers_are_errors_without_secrets() {
    for (signal, upper, _) in ALL {
        let own = |option: &str| format!("OTEL_EXPORTER_OTLP_{upper}_{option}");
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318");
        for (variable, value) in [
            (own("ENDPOINT"), "c:4318"),
            (own("ENDPOINT"), "ftp://user:secret@c"),
            (own("ENDPOINT"), "http://"),
            (own("ENDPOINT"), "unix:relative"),
            (own("ENDPOINT"), "http://user:secret@c:99999"),
            (own("ENDPOINT"), "http://c:0"),
            ("HTTPS_PROXY".to_owned(), "http://user:secret@proxy:65536"),
            (own("HEADERS"), "secret"),
            (own("HEADERS"), "authorization=%zzsecret"),
            ("OTEL_EXPORTER_OTLP_HEADERS".to_owned(), "authorization=secret%0d%0a"),
            ("HTTP_PROXY".to_owned(), "socks5://user:secret@proxy"),
        ] {
            let error = error(signal, &Options::default(), &[endpoint, (&variable, value)]);
            assert!(!error.contains("secret"), "{error}");
            let is_named = error.contains(&variable) || error.contains("authorization");
            assert!(is_named && error.contains("give "), "{error}");
        }
        let options =
            Options { endpoint: Some("http://u:secret@".to_owned()), ..Options::default() };
        assert!(!error(signal, &options, &[]).contains("secret"));
    }
}

#[test]
fn settings_list_no_secrets() {
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:s3cr3t@c:4318/base?key=s3cr3t"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20s3cr3t,x%2Dtenant=7"),
        ("HTTP_PROXY", "http://user:s3cr3t@proxy:3128"),
    ];
    let (to, resolver) = resolved(Signal::Logs, &Options::default(), &variables);
    let listed: Vec<_> = resolver.settings().iter().map(ToString::to_string).collect();
    let listed = format!("{} {to}", listed.join(" "));
    assert!(!listed.contains("s3cr3t"), "{listed}");
    assert_eq!(setting(&resolver, "header").0, "authorization,x-tenant");
    assert_eq!(setting(&resolver, "proxy").0, "http://proxy:3128");
    assert!(to.contains("http://c:4318/base/v1/logs?***"), "{to}");
}

#[test]
fn code_overrides_environment_except_service_name() {
    let options = Options {
        endpoint: Some("http://code:4318".to_owned()),
        timeout: Some(Duration::from_secs(3)),
        ..Options::default()
    };
    let variables =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://env:4317"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "9")];
    let (_, resolver) = resolved(Signal::Traces, &options, &variables);
    assert_eq!(setting(&resolver, "endpoint"), ("http://code:4318/".to_owned(), Origin::Code));
    assert_eq!(setting(&resolver, "timeout"), ("3s".to_owned(), Origin::Code));

    let list = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=of-list,a%2Cb=c%3Dd,note=x");
    let name = ("OTEL_SERVICE_NAME", "of-name");
    for (variables, service, expected, origin) in [
        (&[list, name][..], "code", "of-name", Origin::Environment(name.0)),
        (&[list], "code", "of-list", Origin::Environment(list.0)),
        (&[], "code", "code", Origin::Code),
        (&[], "", "unknown_service", Origin::Default),
    ] {
        let mut resolver = crate::resolver(variables);
        let code = [("note".to_owned(), "code".to_owned())];
        let resource = Resource::resolve(("sdk", "1"), service, &code, &mut resolver);
        assert_eq!(resource.text("service.name"), Some(expected));
        assert_eq!(resource.text("note"), Some("code"));
        assert_eq!(resource.text("a,b"), variables.contains(&list).then_some("c=d"));
        assert_eq!(setting(&resolver, "service.name"), (expected.to_owned(), origin));
    }
}

#[test]
fn malformed_resource_attributes_are_ignored_with_warning() {
    for wrong in ["deployment", "a=%zz", "a=%ff", "=b"] {
        let mut resolver = resolver(&[("OTEL_RESOURCE_ATTRIBUTES", wrong)]);
        let resource = Resource::resolve(("sdk", "1"), "code", &[], &mut resolver);
        assert_eq!(resource.text("service.name"), Some("code"));
        assert!(resolver.ignored()[0].contains("OTEL_RESOURCE_ATTRIBUTES"), "{wrong}");
    }
}

#[test]
fn signals_of_one_process_share_instance_id() {
    let id = || {
        let resource = Resource::resolve(("sdk", "1"), "x", &[], &mut resolver(&[]));
        resource.text("service.instance.id").map(str::to_owned)
    };
    assert!(id().is_some_and(|known| known.len() == 36) && id() == id());
}

#[test]
fn process_pid_is_integer_attribute() {
    let resource = Resource::resolve(("sdk", "1"), "x", &[], &mut resolver(&[]));
    let (_, pid) = resource.iter().find(|(key, _)| *key == "process.pid").unwrap();
    assert_eq!(*pid, ResourceValue::Int(i64::from(std::process::id())));
    assert_eq!(resource.text("process.pid"), None);
}

#[cfg(not(feature = "tls"))]
#[test]
fn https_without_feature_is_rejected() {
    let options = Options { endpoint: Some("https://a.example".to_owned()), ..Options::default() };
    assert!(error(Signal::Logs, &options, &[]).contains("`tls`"));
}
