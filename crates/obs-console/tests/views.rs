//! What the page's other views are made of: services, health, map, metrics, profile, events, actions.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use obs_console::{Action, Attributes, Health, Span, SpanKind, SpanStatus, Target};
use obs_context::TraceId;
use serde_json::{Value, json};
use support::{Admin, TOKEN, authorized_post, builder, get, span};

fn of(service: &str, kind: SpanKind, mut span: Span, parent: u64) -> Span {
    span.service = service.into();
    span.kind = kind;
    span.parent_span_id = (parent != 0).then(|| obs_context::SpanId::new(parent));
    span
}

fn with(mut span: Span, pairs: &[(&str, &str)]) -> Span {
    let pairs = pairs.iter().map(|(key, value)| ((*key).into(), json!(value)));
    span.attributes = Attributes::new(pairs.collect());
    span
}

#[tokio::test(flavor = "multi_thread")]
async fn services_list_has_instances_health_and_counts() {
    let admin = Admin::start("");
    let hour = Duration::from_secs(3_600);
    let target = Target::new("orders", &admin.url()).unwrap();
    let running = builder().scrape([target]).scrape_interval(hour).start().await.unwrap();
    let mut failed = of("orders", SpanKind::Server, span(1, 1), 0);
    failed.status = SpanStatus::Error;
    failed.instance = Some("a".into());
    let mut other = of("orders", SpanKind::Server, span(2, 2), 0);
    other.instance = Some("b".into());
    running.store().add_spans([
        failed,
        other.clone(),
        of("jobs", SpanKind::Internal, span(3, 3), 0),
    ]);
    running.store().add_spans([other]);
    authorized_post(running.api(), "/api/scrape", b"");
    let services = get(running.api(), "/api/services").json();
    assert_eq!((&services[0]["name"], &services[1]["name"]), (&json!("jobs"), &json!("orders")));
    let orders = &services[1];
    assert_eq!(
        (&orders["requests"], &orders["errors"]),
        (&json!(2), &json!(1)),
        "sent twice, counted once"
    );
    assert_eq!((&orders["ready"], &orders["live"]), (&json!(true), &json!(true)));
    assert_eq!(orders["checks"]["db"], "ok");
    assert!(orders["admin"].as_str().unwrap().starts_with(&admin.url()));
    let ids: Vec<_> =
        orders["instances"].as_array().unwrap().iter().map(|it| it["id"].clone()).collect();
    assert_eq!(ids, ["a", "b"]);
    assert!(orders["last_seen_unix_ms"].as_f64().unwrap() > 1e12);
    assert_eq!((&services[0]["ready"], &services[0]["admin"]), (&Value::Null, &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn health_list_has_state_changes() {
    let running = builder().start().await.unwrap();
    for (at, ready) in [(1_000_000, true), (2_000_000, true), (3_000_000, false), (4_000_000, true)]
    {
        running.store().add_health("orders", at, Health { ready, live: true, ..Health::default() });
    }
    running.store().add_health("other", 1, Health::default());
    let changes = get(running.api(), "/api/health?service=orders").json();
    let told: Vec<_> = changes
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["unix_ms"].as_f64().unwrap(), it["ready"].as_bool().unwrap()))
        .collect();
    assert_eq!(told, [(1.0, true), (3.0, false), (4.0, true)]);
    assert_eq!(changes[0]["last_unix_ms"], 2.0);
    assert_eq!(get(running.api(), "/api/health").json().as_array().unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn service_map_has_calls_databases_and_external_peers() {
    let running = builder().start().await.unwrap();
    for trace in 1..=20_u64 {
        let mut charged = of("payments", SpanKind::Server, span(trace.into(), 30), 20);
        charged.duration_nanos = trace * 1_000_000;
        charged.status = if trace == 7 { SpanStatus::Error } else { SpanStatus::Ok };
        running.store().add_spans([
            of("orders", SpanKind::Server, span(trace.into(), 10), 0),
            with(
                of("orders", SpanKind::Client, span(trace.into(), 20), 10),
                &[("server.address", "payments.local")],
            ),
            charged,
            with(
                of("orders", SpanKind::Client, span(trace.into(), 40), 10),
                &[("db.system.name", "sqlite")],
            ),
            with(
                of("payments", SpanKind::Client, span(trace.into(), 50), 30),
                &[("server.address", "bank.example")],
            ),
        ]);
    }
    let map = get(running.api(), "/api/map").json();
    let node = |name: &str| {
        map["nodes"].as_array().unwrap().iter().find(|it| it["service"] == name).unwrap().clone()
    };
    assert_eq!(
        (&node("orders")["kind"], &node("orders")["requests"]),
        (&json!("service"), &json!(20))
    );
    assert_eq!(
        (&node("payments")["errors"], &node("payments")["p50_ms"]),
        (&json!(1), &json!(11.0))
    );
    assert_eq!(node("payments")["p95_ms"], 20.0);
    assert_eq!(
        (&node("sqlite")["kind"], &node("bank.example")["kind"]),
        (&json!("database"), &json!("external"))
    );
    let edges: Vec<_> = map["edges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            (
                it["from"].as_str().unwrap(),
                it["to"].as_str().unwrap(),
                it["calls"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        edges,
        [("orders", "payments", 20), ("orders", "sqlite", 20), ("payments", "bank.example", 20)],
        "the client span that a server span answers is no peer outside"
    );
    let later = get(running.api(), "/api/map?from_ms=5000").json();
    assert_eq!(later, json!({"nodes": [], "edges": []}));
}

const METRICS: &str = "# HELP http_request_duration_seconds How long requests take.\n\
    # TYPE http_request_duration_seconds histogram\n\
    # UNIT http_request_duration_seconds seconds\n\
    http_request_duration_seconds_bucket{path=\"/a\",le=\"+Inf\"} 3 # {trace_id=\"0af7651916cd43dd8448eb211c80319c\",span_id=\"b7ad6b7169203331\"} 0.5 1.5\n\
    http_request_duration_seconds_count{path=\"/a\"} 3\n\
    # TYPE jobs counter\njobs_total{kind=\"x\"} 1\njobs_total{kind=\"y\"} 2\n# EOF\n";

#[tokio::test(flavor = "multi_thread")]
async fn metric_list_has_kind_unit_help_points_and_exemplars() {
    let admin = Admin::start(METRICS);
    let hour = Duration::from_secs(3_600);
    let running = builder().scrape_interval(hour).start().await.unwrap();
    running.watch(Target::new("orders", &admin.url()).unwrap());
    authorized_post(running.api(), "/api/scrape", b"");
    *admin.metrics.lock().unwrap() = METRICS.replace("kind=\"x\"} 1", "kind=\"x\"} 5");
    authorized_post(running.api(), "/api/scrape", b"");
    let families = get(running.api(), "/api/metrics").json();
    assert_eq!(
        families[0],
        json!({"service": "orders", "family": "http_request_duration_seconds", "kind": "histogram",
               "unit": "seconds", "help": "How long requests take.", "series": 2})
    );
    assert_eq!((&families[1]["kind"], &families[1]["series"]), (&json!("counter"), &json!(2)));
    let path = "/api/metrics/series?service=orders&family=jobs&label=kind:x";
    let series = get(running.api(), path).json();
    assert_eq!(series.as_array().unwrap().len(), 1);
    assert_eq!(series[0]["labels"], json!({"kind": "x"}));
    let values: Vec<_> =
        series[0]["points"].as_array().unwrap().iter().map(|point| point[1].clone()).collect();
    assert_eq!((values.first(), values.last()), (Some(&json!(1.0)), Some(&json!(5.0))));
    let path = "/api/metrics/series?family=http_request_duration_seconds";
    let series = get(running.api(), path).json();
    assert_eq!(series[0]["exemplars"][0]["span_id"], "b7ad6b7169203331");
    assert_eq!(series[0]["exemplars"][0]["unix_ms"], 1_500.0);
    assert_eq!(get(running.api(), "/api/metrics/series?label=x").status, 400);
}

/// A profile of two samples, by hand: `main` above `work` with the route /a (3), and `main` alone (2).
fn pprof() -> Vec<u8> {
    let field = |number: u8, bytes: &[u8]| {
        [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
    };
    let texts = ["", "samples", "count", "route", "/a", "main", "work"];
    let mut file = field(1, &[0x08, 1, 0x10, 2]);
    file.extend(field(
        2,
        &[&[0x0a, 2, 2, 1, 0x12, 1, 3][..], &field(3, &[0x08, 3, 0x10, 4])].concat(),
    ));
    file.extend(field(2, &[0x0a, 1, 1, 0x12, 1, 2]));
    for (id, name) in [(1, 5), (2, 6)] {
        file.extend(field(4, &[&[0x08, id][..], &field(4, &[0x08, id])].concat()));
        file.extend(field(5, &[0x08, id, 0x10, name]));
    }
    for text in texts {
        file.extend(field(6, text.as_bytes()));
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&file).unwrap();
    packed.finish().unwrap()
}

fn serve_once(status: &str, body: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let status = status.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4_096];
            let _ = stream.read(&mut head);
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(&body);
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn profile_is_filtered_by_labels_or_explains_absence() {
    let hour = Duration::from_secs(3_600);
    let running = builder().scrape_interval(hour).start().await.unwrap();
    let watch = |name: &str, address: SocketAddr| {
        running.watch(Target::new(name, &format!("http://{address}")).unwrap());
    };
    watch("orders", serve_once("200 OK", pprof()));
    watch("plain", serve_once("404 Not Found", Vec::new()));
    watch("odd", serve_once("200 OK", b"no pprof".to_vec()));
    let whole = get(running.api(), "/api/profile?service=orders&seconds=1").json();
    assert_eq!((&whole["total"], &whole["unit"]), (&json!(5), &json!("samples")));
    let main = &whole["root"]["children"][0];
    assert_eq!(
        (&main["name"], &main["value"], &main["self"]),
        (&json!("main"), &json!(5), &json!(2))
    );
    assert_eq!(main["children"][0]["name"], "work");
    let cut = get(running.api(), "/api/profile?service=orders&route=/a").json();
    assert_eq!(cut["total"], 3);
    let none = get(
        running.api(),
        "/api/profile?service=orders&trace_id=0af7651916cd43dd8448eb211c80319c&seconds=1",
    );
    assert_eq!(none.json()["total"], 0);
    assert!(none.json()["note"].as_str().unwrap().contains("Send requests"));
    for (service, status, part) in [
        ("nobody", 404, "obs-console run"),
        ("plain", 502, "OBS_PROFILING=on"),
        ("odd", 502, "no pprof"),
    ] {
        let answer = get(running.api(), &format!("/api/profile?service={service}&seconds=1"));
        assert_eq!(answer.status, status);
        assert!(answer.json()["error"].as_str().unwrap().contains(part), "{service}");
    }
}

fn listen(api: SocketAddr) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(api).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(
        stream,
        "GET /api/events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\r\n"
    )
    .unwrap();
    BufReader::new(stream)
}

fn next_change(events: &mut BufReader<TcpStream>) -> Value {
    loop {
        let mut line = String::new();
        assert_ne!(events.read_line(&mut line).unwrap(), 0, "ended");
        if let Some(data) = line.strip_prefix("data: ") {
            return serde_json::from_str(data).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_sent_as_events_to_bounded_listeners() {
    let running = builder().start().await.unwrap();
    let mut events = listen(running.api());
    assert_eq!(next_change(&mut events)["requests"], 0);
    running.store().add_spans([span(1, 1), span(2, 2)]);
    let change = next_change(&mut events);
    assert_eq!((&change["requests"], &change["spans"]), (&json!(2), &json!(2)));
    running.store().add_health("orders", 1, Health::default());
    assert!(next_change(&mut events)["services"].as_u64() > change["services"].as_u64());
    let mut others: Vec<_> = (0..15).map(|_| listen(running.api())).collect();
    for other in &mut others {
        next_change(other);
    }
    let full = get(running.api(), "/api/events");
    assert_eq!(full.status, 503);
    drop(others);
    // A place is free once the server has seen that its listener went: at the next change.
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    let mut trace = 10;
    loop {
        trace += 1;
        running.store().add_spans([span(trace, 1)]);
        let mut again = listen(running.api());
        let mut status = String::new();
        again.read_line(&mut status).unwrap();
        if status.contains("200") {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "no place was freed");
        std::thread::sleep(Duration::from_millis(100));
    }
    running.shutdown().await;
    let mut rest = String::new();
    assert!(events.read_to_string(&mut rest).is_ok(), "the stream ends with the console");
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_run_by_name_on_loopback_only() {
    let admin = Admin::start("");
    let actions: Vec<Action> = [("look", "/readyz"), ("missing", "/nowhere")]
        .iter()
        .map(|(name, path)| format!("{name}=GET {}{path}", admin.url()).parse().unwrap())
        .collect();
    let running = builder().actions(actions).start().await.unwrap();
    let listed = get(running.api(), "/api/actions").json();
    assert_eq!(listed[0]["name"], "look");
    assert!(listed[0]["title"].as_str().unwrap().starts_with("GET http://127.0.0.1"));
    let done = authorized_post(running.api(), "/api/actions/look", b"").json();
    assert_eq!(done["ok"], true);
    assert!(done["text"].as_str().unwrap().contains("\"db\":\"ok\""));
    assert_eq!(authorized_post(running.api(), "/api/actions/missing", b"").json()["ok"], false);
    assert_eq!(authorized_post(running.api(), "/api/actions/none", b"").status, 404);
    assert_eq!(get(running.api(), "/api/actions/look").status, 405);
    let asked = admin.heads.lock().unwrap().iter().filter(|head| head.contains("/readyz")).count();
    assert_eq!(asked, 1);
    for bad in [
        "x",
        "x=GET",
        "x=GET http://example.com/",
        "x=GET https://127.0.0.1/",
        "a b=GET http://127.0.0.1/",
    ] {
        let error = bad.parse::<Action>().unwrap_err().to_string();
        assert!(error.contains("give"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn services_past_limit_are_counted() {
    let running = builder().start().await.unwrap();
    let most = running.store().limits().services as u64;
    running.store().add_spans((1..=most + 3).map(|number| {
        let mut span = span(u128::from(number), 1);
        span.service = format!("service-{number}").into();
        span
    }));
    assert_eq!(running.store().services().len() as u64, most);
    assert_eq!(get(running.api(), "/api/stats").json()["rejected"]["services"], 3);
    assert!(
        running.store().request(TraceId::new(u128::from(most) + 3)).is_some(),
        "its spans are kept"
    );
}
