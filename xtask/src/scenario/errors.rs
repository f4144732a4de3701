//! The demo's errors at a receiver that is none of ours, read back by its API and compared field by field.

use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::error::Failure;
use crate::scenario::bugsink::{Bugsink, programs, text};
use crate::scenario::outcome::{Outcome, expect};
use crate::system::{Http, Line, Service, free_addr, program, until};

const RELEASE: &str = "shop@1.2.3";
const ENVIRONMENT: &str = "scenario";
/// Requests through the gateway, all at once.
const AT_ONCE: u128 = 5;
/// The file of the handlers.
const MAIN: &str = "src/bin/orders/main.rs";
const SECRETS: [&str; 5] =
    ["authorization-hunter2", "cookie-hunter2", "key-hunter2", "query-hunter2", "body-hunter2"];

pub(crate) fn to_bugsink() -> Result<Outcome, Failure> {
    let Some(programs) = programs() else {
        return Ok(Outcome::Skipped(
            "bugsink is not installed (pip install bugsink; OBS_BUGSINK names the folder of its programs)"
                .into(),
        ));
    };
    let bugsink = Bugsink::start(&programs)?;
    let shop = Shop::start(&bugsink.dsn)?;
    shop.orders.request("GET", "/fail", 1)?;
    shop.orders.request("GET", "/panic", 2)?;
    shop.orders.request("POST", "/orders/7", 3)?;
    std::thread::scope(|threads| {
        let request = |number| shop.gateway.request("GET", "/fail", number);
        let requests: Vec<_> =
            (4..4 + AT_ONCE).map(|number| threads.spawn(move || request(number))).collect();
        requests.into_iter().try_for_each(|request| {
            request.join().unwrap_or_else(|_| Err(Failure::new("a client thread panicked")))
        })
    })?;

    // Two of each that went through both.
    let all = 3 + 2 * AT_ONCE as usize;
    let mut events = Vec::new();
    let arrived = until("bugsink has all events", Duration::from_secs(60), || {
        events = bugsink.events().ok()?;
        (events.len() >= all).then_some(())
    });
    arrived.map_err(|failure| Failure::new(format!("{failure}: {}", json!(events))))?;
    expect(events.len() == all, &format!("{} events of {all} errors", events.len()))?;
    let issues = bugsink.issues()?;
    expect(issues.len() == 4, &format!("4 kinds of errors are these issues: {}", json!(issues)))?;
    let posts = bugsink.access_log();
    let posts = posts.iter().filter(|line| line.contains("/envelope/"));
    expect(posts.clone().count() == all, "not every event came in an envelope of its own")?;
    for post in posts {
        expect(post.contains("\"obs-errors/"), &format!("another user agent: {post}"))?;
    }

    let missing_table = [
        ("Database", "error returned from database: (code: 1) no such table: reports"),
        ("SqliteError", "(code: 1) no such table: reports"),
    ];
    let failed = |number| Expected {
        number,
        kind: "event",
        route: "GET /fail",
        message: Some("the report could not be made"),
        chain: &missing_table,
        in_app: Some(MAIN),
        breadcrumbs: &[],
    };
    shop.orders.compare(&events, &failed(1))?;
    shop.orders.compare(
        &events,
        &Expected {
            number: 2,
            kind: "panic",
            route: "GET /panic",
            message: None,
            chain: &[("panic", "a handler that panics")],
            in_app: Some(MAIN),
            breadcrumbs: &[],
        },
    )?;
    shop.orders.compare(
        &events,
        &Expected {
            number: 3,
            kind: "event",
            route: "POST /orders/{id}",
            message: Some("order failed"),
            chain: &[
                ("Payments", "payments could not be asked"),
                ("ClientError", "no usable answer from http://127.0.0.1:1/charge/7"),
                ("Error", "client error (Connect)"),
                ("ConnectError", "tcp connect error"),
                ("std::io::Error", "Connection refused (os error 111)"),
            ],
            in_app: Some(MAIN),
            breadcrumbs: &[],
        },
    )?;
    for number in 4..4 + AT_ONCE {
        shop.orders.compare(&events, &failed(number))?;
        shop.gateway.compare(
            &events,
            &Expected {
                number,
                kind: "response",
                route: "GET /fail",
                message: None,
                chain: &[("500", "GET /fail answered 500")],
                in_app: None,
                breadcrumbs: &["forwarding to orders"],
            },
        )?;
    }
    let received = json!(events).to_string();
    for secret in SECRETS {
        expect(!received.contains(secret), &format!("{secret} is in an event: {received}"))?;
    }
    shop.end()
}

/// What an event must be like.
struct Expected<'a> {
    number: u128,
    kind: &'a str,
    /// Method and route.
    route: &'a str,
    message: Option<&'a str>,
    /// Type and value, the outermost first.
    chain: &'a [(&'a str, &'a str)],
    /// The file of the innermost frame of the application; none where there is no stack.
    in_app: Option<&'a str>,
    breadcrumbs: &'a [&'a str],
}

/// The demo's gateway and orders, without payments.
struct Shop {
    orders: Shopkeeper,
    gateway: Shopkeeper,
    _folder: TempDir,
}

struct Shopkeeper {
    service: Service,
    url: String,
    admin: String,
    http: Http,
}

impl Shop {
    fn start(dsn: &str) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let database = format!("sqlite://{}?mode=rwc", folder.path().join("orders.db").display());
        let nobody = "http://127.0.0.1:1".to_owned();
        let more = [("DATABASE_URL", database), ("PAYMENTS_URL", nobody)];
        let orders = Shopkeeper::start("orders", dsn, more.to_vec())?;
        let gateway = Shopkeeper::start("gateway", dsn, vec![("ORDERS_URL", orders.url.clone())])?;
        Ok(Self { orders, gateway, _folder: folder })
    }

    fn end(self) -> Result<Outcome, Failure> {
        self.gateway.end(AT_ONCE)?;
        self.orders.end(3 + AT_ONCE)?;
        Ok(Outcome::Passed)
    }
}

/// The trace id of a request.
fn trace_id(number: u128) -> String {
    format!("0af7651916cd43dd8448eb2100{number:06x}")
}

fn request_id(number: u128) -> String {
    format!("request-{number}")
}

impl Shopkeeper {
    fn start(
        name: &'static str,
        dsn: &str,
        more: Vec<(&'static str, String)>,
    ) -> Result<Self, Failure> {
        let admin = free_addr();
        let mut variables = vec![
            ("BIND", "127.0.0.1:0".to_owned()),
            ("OBS_ADMIN_ADDR", admin.to_string()),
            ("OBS_SHUTDOWN_PROPAGATION", "0s".to_owned()),
            ("OBS_LOG", "info".to_owned()),
            ("OBS_LOG_FORMAT", "json".to_owned()),
            ("OBS_ACCESS_LOG", "on".to_owned()),
            ("SENTRY_DSN", dsn.to_owned()),
            ("SENTRY_RELEASE", RELEASE.to_owned()),
            ("SENTRY_ENVIRONMENT", ENVIRONMENT.to_owned()),
        ];
        variables.extend(more);
        let mut service = Service::start(name, &program(name)?, &[], &variables, None)?;
        let addr = service.wait_for_line("listens", |line| {
            (line.json["event"] == "listening")
                .then(|| line.json["addr"].as_str().map(str::to_owned))?
        })?;
        let (url, admin) = (format!("http://{addr}"), format!("http://{admin}"));
        Ok(Self { service, url, admin, http: Http::new() })
    }

    /// Sends a request that is answered 500, with a secret wherever there can be one.
    fn request(&self, method: &str, path: &str, number: u128) -> Result<(), Failure> {
        let [authorization, cookie, key, query, body] = SECRETS;
        let url = format!("{}{path}?token={query}", self.url);
        let headers = [
            ("traceparent", &*format!("00-{}-b7ad6b7169203331-01", trace_id(number))),
            ("x-request-id", &request_id(number)),
            ("authorization", &format!("Bearer {authorization}")),
            ("cookie", &format!("session={cookie}")),
            ("x-api-key", key),
        ];
        let body =
            if method == "GET" { String::new() } else { json!({"password": body}).to_string() };
        let status = self.http.send(method, &url, &headers, &body)?.status;
        expect(status == 500, &format!("{method} {path} was answered {status}"))
    }

    /// Compares what was received of an error with the request, the log and what is expected.
    fn compare(&self, events: &[Value], expected: &Expected<'_>) -> Result<(), Failure> {
        let Expected { number, kind, .. } = *expected;
        let name = self.service.name;
        let request_id = request_id(number);
        let mut of_request = events.iter().filter(|event| {
            event["tags"]["service"] == name && event["tags"]["request_id"] == *request_id
        });
        let event = match (of_request.next(), of_request.next()) {
            (Some(event), None) => event,
            (event, _) => {
                let many = if event.is_some() { "several" } else { "no" };
                return Err(Failure::new(format!("{many} events of {name} have {request_id}")));
            }
        };
        let line = self.line(&request_id, kind)?;
        let (method, route) = expected.route.split_once(' ').unwrap_or_default();
        let mut chain: Vec<Value> = expected
            .chain
            .iter()
            .map(|(kind, value)| json!({"type": kind, "value": value}))
            .collect();
        // The protocol has the outermost last.
        chain.reverse();
        let exceptions = array(&event["exception"]["values"]).iter();
        let told: Vec<Value> = exceptions
            .clone()
            .map(|cause| json!({"type": cause["type"], "value": cause["value"]}))
            .collect();
        let crumbs = array(&event["breadcrumbs"]["values"]).iter();
        let crumbs: Vec<&Value> = crumbs.map(|crumb| &crumb["message"]).collect();
        let own_frame = exceptions.clone().last().and_then(|outermost| {
            let frames = array(&outermost["stacktrace"]["frames"]).iter();
            frames.rev().find(|frame| frame["in_app"] == true)
        });
        for (what, found, wanted) in [
            ("trace id", &event["contexts"]["trace"]["trace_id"], json!(trace_id(number))),
            ("span id", &event["contexts"]["trace"]["span_id"], line["span_id"].clone()),
            ("the line's trace id", &line["trace_id"], json!(trace_id(number))),
            ("release", &event["release"], json!(RELEASE)),
            ("environment", &event["environment"], json!(ENVIRONMENT)),
            ("transaction", &event["transaction"], json!(expected.route)),
            ("route", &event["tags"]["http.route"], json!(route)),
            ("method", &event["request"]["method"], json!(method)),
            ("query", &event["request"]["query_string"], Value::Null),
            ("kind", &event["tags"]["kind"], json!(kind)),
            ("message", &event["logentry"]["message"], json!(expected.message)),
            ("chain", &json!(told), json!(chain)),
            ("breadcrumbs", &json!(crumbs), json!(expected.breadcrumbs)),
        ] {
            let said =
                || format!("{name}, {request_id}: {what} is {found} instead of {wanted}: {event}");
            expect(*found == wanted, &said())?;
        }
        if kind != "response" {
            let id = text(event, "event_id").replace('-', "");
            let said = || format!("the line of {id} names {}", line["error.id"]);
            expect(!id.is_empty() && line["error.id"] == *id, &said())?;
        }
        let file = own_frame.map(|frame| text(frame, "filename"));
        let said = || format!("{name}, {request_id}: the innermost frame in-app is of {file:?}");
        expect(file == expected.in_app, &said())
    }

    /// The line that the error left or, of a response, the access line.
    fn line(&self, request_id: &str, kind: &str) -> Result<Value, Failure> {
        let is_it = |line: &Line| {
            let is_access = line.json["target"] == "access";
            line.json["request_id"] == request_id
                && if kind == "response" {
                    is_access
                } else {
                    line.json["level"] == "error" && !is_access
                }
        };
        let what = format!("{} has logged {request_id}", self.service.name);
        until(&what, Duration::from_secs(60), || {
            self.service.lines().into_iter().find(is_it).map(|line| line.json)
        })
    }

    /// Ends it; it must have told of so many errors, and lost none.
    fn end(mut self, errors: u128) -> Result<(), Failure> {
        let metrics = self.http.get(&format!("{}/metrics", self.admin))?.body;
        let sum = |family: &str| {
            let of_family = metrics.lines().filter(|line| line.starts_with(family));
            of_family.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>()
        };
        for (family, wanted) in [
            ("errors_total", errors as f64),
            ("obs_errors_reported_total", errors as f64),
            ("obs_errors_dropped_total", 0.0),
        ] {
            let said =
                || format!("{} counts {} as {family}: {metrics}", self.service.name, sum(family));
            expect(sum(family) == wanted, &said())?;
        }
        self.service.terminate();
        let status = self.service.wait(Duration::from_secs(120))?;
        expect(status.success(), &format!("{} ended with {status}", self.service.name))
    }
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
