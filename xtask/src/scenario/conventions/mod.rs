//! Everything that the demo's services tell a collector, held against OpenTelemetry's semantic conventions.

mod registry;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::error::Failure;
use crate::scenario::outcome::{Outcome, expect};
use crate::system::{Collector, Http, Service, free_addr, program, until};
use registry::Registry;

/// Names that are neither the conventions' nor under `obs.`.
const OWN_ATTRIBUTES: [(&str, &str); 3] = [
    ("order.id", "a field of the demo"),
    ("order.status", "a field of the demo"),
    ("amount", "a field of the demo"),
];

/// How the names of Prometheus-named metrics begin, whose labels are Prometheus', too.
const OWN_METRICS: [(&str, &str); 10] = [
    ("obs_", "of the pillars themselves"),
    ("health_", "of obs-health"),
    ("admin_", "of obs-health's admin server"),
    ("http_server_", "of obs-health's server: connections, handshakes, streams"),
    (
        "http_requests_",
        "Prometheus' rate and load, which the conventions have as the duration's count",
    ),
    ("process_", "Prometheus' own names of a process"),
    ("panics_total", "of obs-logging"),
    ("errors_total", "of obs-errors"),
    ("orders_processed_total", "of the demo"),
    ("payments_charged_amount", "of the demo"),
];

const SIGNALS: [&str; 3] = ["/v1/traces", "/v1/metrics", "/v1/logs"];

pub(crate) fn cases() -> Result<Outcome, Failure> {
    let collector = Collector::start()?;
    let folder = tempfile::tempdir()?;
    let database = format!("sqlite://{}?mode=rwc", folder.path().join("orders.db").display());
    let (payments, payments_url) = start("payments", &collector, Vec::new())?;
    let orders = vec![("PAYMENTS_URL", payments_url), ("DATABASE_URL", database)];
    let (orders, orders_url) = start("orders", &collector, orders)?;
    let (gateway, url) = start("gateway", &collector, vec![("ORDERS_URL", orders_url)])?;

    let http = Http::new();
    let forwarded = [("x-forwarded-for", "192.0.2.7")];
    for (method, path, status) in [
        ("POST", "/orders/7", 201),
        ("GET", "/orders/7", 200),
        ("GET", "/orders/none", 404),
        ("POST", "/orders/declined", 402),
        ("GET", "/fail", 500),
        ("GET", "/panic", 500),
        ("GET", "/nowhere", 404),
    ] {
        let answer = http.send(method, &format!("{url}{path}"), &forwarded, "")?;
        expect(answer.status == status, &format!("{method} {path}: {}", answer.status))?;
    }
    // The shutdown sends what is left.
    for mut service in [gateway, orders, payments] {
        service.terminate();
        expect(service.wait(Duration::from_secs(120))?.success(), &service.errors())?;
    }
    judge(&collector)
}

fn start(
    name: &'static str,
    collector: &Collector,
    more: Vec<(&'static str, String)>,
) -> Result<(Service, String), Failure> {
    let admin = free_addr();
    let mut variables = vec![
        ("BIND", "127.0.0.1:0".to_owned()),
        ("OBS_ADMIN_ADDR", admin.to_string()),
        ("OBS_SHUTDOWN_PROPAGATION", "0s".to_owned()),
        ("OBS_ACCESS_LOG", "on".to_owned()),
        ("OBS_TRUSTED_PROXIES", "1".to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json".to_owned()),
        ("RUST_BACKTRACE", "1".to_owned()),
    ];
    variables.extend(more);
    let mut service = Service::start(name, &program(name)?, &[], &variables, None)?;
    let addr = service.wait_for_line("listens", |line| {
        (line.json["event"] == "listening")
            .then(|| line.json["addr"].as_str().map(str::to_owned))?
    })?;
    let http = Http::new();
    until(&format!("{name} is ready"), Duration::from_secs(120), || {
        http.get(&format!("http://{admin}/readyz")).ok().filter(|answer| answer.status == 200)
    })?;
    Ok((service, format!("http://{addr}")))
}

fn judge(collector: &Collector) -> Result<Outcome, Failure> {
    let mut judge =
        Judge { registry: Registry::read(), seen: BTreeSet::new(), wrong: BTreeSet::new() };
    for path in SIGNALS {
        let requests = collector.requests(path);
        expect(!requests.is_empty(), &format!("nothing came to {path}"))?;
        requests.iter().for_each(|request| judge.walk(path, request));
    }
    let wrong: Vec<_> = judge.wrong.iter().map(String::as_str).collect();
    expect(wrong.is_empty(), &format!("against the conventions:\n  {}", wrong.join("\n  ")))?;
    let missing: Vec<_> = EXPECTED.iter().filter(|name| !judge.seen.contains(**name)).collect();
    expect(missing.is_empty(), &format!("nobody told of {missing:?}"))?;
    Ok(Outcome::Passed)
}

/// What must have been among it, an attribute of a metric behind the metric's name: else nothing was judged.
const EXPECTED: [&str; 31] = [
    "service.name",
    "process.pid",
    "http.request.method",
    "http.response.status_code",
    "http.route",
    "url.path",
    "url.full",
    "url.scheme",
    "client.address",
    "network.peer.address",
    "network.peer.port",
    "network.protocol.version",
    "server.address",
    "server.port",
    "error.type",
    "db.system.name",
    "db.query.text",
    "db.query.summary",
    "db.operation.name",
    "exception.message",
    "exception.stacktrace",
    "http.server.request.duration",
    "http.client.request.duration",
    "db.client.operation.duration",
    "http.server.request.duration http.response.status_code",
    "http.client.request.duration http.response.status_code",
    "http.client.request.duration server.address",
    "http.client.request.duration server.port",
    "http.client.request.duration error.type",
    "db.client.operation.duration db.system.name",
    "db.client.operation.duration db.operation.name",
];

struct Judge {
    registry: Registry,
    seen: BTreeSet<String>,
    wrong: BTreeSet<String>,
}

impl Judge {
    /// Judges the attributes of every resource, span, event, link, record and point, however deep.
    fn walk(&mut self, place: &str, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    match (name.as_str(), field) {
                        ("attributes", Value::Array(pairs)) => self.attributes(place, pairs),
                        ("metrics", Value::Array(metrics)) => {
                            metrics.iter().for_each(|metric| self.metric(metric));
                        }
                        _ => self.walk(&format!("{place} {name}"), field),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.walk(place, item)),
            _ => {}
        }
    }

    fn attributes(&mut self, place: &str, pairs: &[Value]) {
        for pair in pairs {
            let key = pair["key"].as_str().unwrap_or_default();
            self.seen.insert(key.to_owned());
            let (owner, _) = place.split_once(' ').unwrap_or((place, ""));
            self.seen.insert(format!("{owner} {key}"));
            let is_own =
                key.starts_with("obs.") || OWN_ATTRIBUTES.iter().any(|(own, _)| *own == key);
            match self.registry.attribute(key, &pair["value"]) {
                Some(Ok(())) => {}
                None if is_own => {}
                None => self.objects(place, key, "is unknown"),
                Some(Err(problem)) => self.objects(place, key, &problem),
            }
        }
    }

    fn metric(&mut self, metric: &Value) {
        let name = metric["name"].as_str().unwrap_or_default();
        self.seen.insert(name.to_owned());
        match self.registry.metric(name, metric) {
            Some(Ok(())) => self.walk(name, metric),
            None if OWN_METRICS.iter().any(|(prefix, _)| name.starts_with(prefix)) => {}
            None => self.objects("metrics", name, "is unknown"),
            Some(Err(problem)) => self.objects("metrics", name, &problem),
        }
    }

    fn objects(&mut self, place: &str, name: &str, problem: &str) {
        self.wrong.insert(format!("{name} {problem} ({place})"));
    }
}
