//! One request through three services, followed through every pillar.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

#[path = "support/otlp.rs"]
mod otlp;
mod support;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use obs_console::{Running, Target};
use obs_context::{SpanId, TraceId};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Otlp;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use serde_json::{Value, json};
use support::{Admin, authorized_post, builder, get};

const TRACE: u128 = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c;
const TRACE_TEXT: &str = "0af7651916cd43dd8448eb211c80319c";

fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

fn metrics(requests: u64, exemplar: bool) -> String {
    let labels = r#"method="POST",path="/orders/{id}""#;
    let exemplar = match exemplar {
        true => format!(r#" # {{trace_id="{TRACE_TEXT}",span_id="0000000000000002"}} 0.02 1.5"#),
        false => String::new(),
    };
    format!(
        "# TYPE http_requests counter\n\
         http_requests_total{{{labels},status=\"201\"}} {requests}\n\
         http_requests_total{{method=\"GET\",path=\"/other\",status=\"200\"}} 7\n\
         # TYPE http_request_duration_seconds histogram\n\
         http_request_duration_seconds_bucket{{{labels},le=\"0.01\"}} 3\n\
         http_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} {requests}{exemplar}\n\
         http_request_duration_seconds_count{{{labels}}} {requests}\n\
         http_request_duration_seconds_sum{{{labels}}} 0.5\n\
         # EOF\n"
    )
}

fn server(mut span: Span, route: &str, status: i64) -> Span {
    span.kind = SpanKind::Server as i32;
    span.attributes = vec![
        otlp::text("http.request.method", "POST"),
        otlp::text("http.route", route),
        otlp::pair("http.response.status_code", Otlp::IntValue(status)),
    ];
    span
}

async fn send(running: &Running, service: &str, spans: Vec<Span>) {
    let address = format!("http://{}", running.otlp_grpc());
    let mut client = TraceServiceClient::connect(address).await.unwrap();
    let answer = client.export(otlp::traces(service, spans)).await.unwrap();
    assert_eq!(answer.into_inner().partial_success, None);
}

fn names(values: &Value, key: &str) -> Vec<String> {
    values.as_array().unwrap().iter().map(|it| it[key].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn document_joins_three_services_and_all_pillars() {
    let orders_admin = Admin::start(&metrics(4, false));
    let target = Target::new("orders", &orders_admin.url()).unwrap();
    // Only the looks that the test asks for, after the first.
    let hour = Duration::from_secs(3_600);
    let running = builder().scrape([target]).scrape_interval(hour).start().await.unwrap();

    let looked = authorized_post(running.api(), "/api/scrape", b"");
    assert_eq!(looked.json()["services"][0]["samples"], 6);
    let start = now();
    let at = |ms: u64| start + ms * 1_000_000;

    let gateway =
        server(otlp::span(TRACE, 1, 0, "POST /orders/{id}", (at(0), at(4))), "/orders/{id}", 201);
    let mut call = otlp::span(TRACE, 0x11, 1, "POST", (at(1), at(3)));
    call.kind = SpanKind::Client as i32;
    let mut orders = server(
        otlp::span(TRACE, 2, 0x11, "POST /orders/{id}", (at(1), at(3))),
        "/orders/{id}",
        201,
    );
    orders.attributes.push(otlp::pair("items", Otlp::DoubleValue(2.5)));
    orders.attributes.push(otlp::pair("paid", Otlp::BoolValue(true)));
    orders.events =
        vec![Event { time_unix_nano: at(2), name: "reserved".into(), ..Default::default() }];
    orders.links = vec![Link {
        trace_id: 9_u128.to_be_bytes().to_vec(),
        span_id: 9_u64.to_be_bytes().to_vec(),
        ..Default::default()
    }];
    let payments =
        server(otlp::span(TRACE, 3, 0x99, "POST /charge", (at(2), at(3))), "/charge", 200);
    send(&running, "payments", vec![payments]).await;
    send(&running, "orders", vec![orders]).await;
    send(&running, "gateway", vec![gateway, call]).await;

    let lines = format!(
        "{}\n{}\nnot json\n{}\n",
        json!({"timestamp": "2026-06-19T10:00:01Z", "level": "info", "event": "stored", "rows": 3,
               "trace_id": TRACE_TEXT, "span_id": "0000000000000002", "request_id": "req-1"}),
        json!({"timestamp": "2026-06-19T10:00:00Z", "level": "warn", "event": "before the span",
               "request_id": "req-1", "timestamp_note": "x", "service": "orders"}),
        json!({"event": "of another request", "request_id": "req-2"}),
    );
    let taken = authorized_post(running.api(), "/api/logs/orders", lines.as_bytes()).json();
    assert_eq!(taken, json!({"accepted": 4, "rejected": 0, "text": 1}));

    // The request is over when the metrics are looked at again.
    tokio::time::sleep(Duration::from_millis(5)).await;
    *orders_admin.metrics.lock().unwrap() = metrics(5, true);
    authorized_post(running.api(), "/api/scrape", b"");

    let document = get(running.api(), &format!("/api/requests/{TRACE_TEXT}")).json();
    assert_eq!(get(running.api(), "/api/requests/req-1").json(), document, "by request id too");
    assert_eq!(document["trace_id"], TRACE_TEXT);
    assert_eq!(document["request_id"], "req-1");
    assert_eq!(document["request_ids"], json!(["req-1"]));
    assert_eq!(document["duration_ms"], 4.0);
    assert_eq!(document["route"], "/orders/{id}");
    assert_eq!(document["status"], 201);
    assert_eq!(document["error"], false);
    assert_eq!(document["services"], json!(["gateway", "orders", "payments"]));
    assert_eq!(document["roots"], json!(["0000000000000001"]));
    assert_eq!(document["orphans"], json!(["0000000000000003"]));

    let spans = &document["spans"];
    assert_eq!(names(spans, "service"), ["gateway", "gateway", "orders", "payments"]);
    let depths: Vec<_> = (0..4).map(|at| &spans[at]["depth"]).collect();
    assert_eq!(depths, [0, 1, 2, 0], "the orphan stands beside the root");
    let orders = &spans[2];
    assert_eq!(orders["parent_span_id"], "0000000000000011");
    assert_eq!(orders["kind"], "server");
    assert_eq!(orders["start_unix_nanos"], at(1));
    assert_eq!(orders["offset_nanos"], 1_000_000);
    assert_eq!(orders["duration_nanos"], 2_000_000);
    assert_eq!(orders["attributes"]["items"], 2.5);
    assert_eq!(orders["attributes"]["paid"], true);
    assert_eq!(orders["attributes"]["http.response.status_code"], 201);
    assert_eq!(orders["events"][0]["name"], "reserved");
    assert_eq!(orders["links"][0]["span_id"], "0000000000000009");

    let logs = &document["logs"];
    assert_eq!(names(logs, "event"), ["before the span", "stored"]);
    assert_eq!(logs[1]["rows"], 3);
    assert_eq!(logs[1]["level"], "info");
    assert_eq!(logs[1]["timestamp"], "2026-06-19T10:00:01.000000Z");
    assert_eq!(logs[1]["span_id"], "0000000000000002");

    let metrics = document["metrics"].as_array().unwrap();
    let of = |name: &str| metrics.iter().find(|it| it["name"] == name).unwrap();
    let counter = of("http_requests_total");
    assert_eq!(counter["service"], "orders");
    assert_eq!(counter["family"], "http_requests");
    assert_eq!(counter["labels"]["status"], "201");
    assert_eq!((&counter["before"], &counter["after"]), (&json!(4.0), &json!(5.0)));
    assert_eq!(counter["delta"], 1.0);
    assert_eq!(counter["exemplar"], Value::Null);
    let bucket = of("http_request_duration_seconds_bucket");
    assert_eq!(bucket["labels"]["le"], "+Inf", "the bucket that did not move is left out");
    assert_eq!(bucket["exemplar"]["trace_id"], TRACE_TEXT);
    assert_eq!(bucket["exemplar"]["span_id"], "0000000000000002");
    assert_eq!(bucket["exemplar"]["value"], 0.02);
    assert_eq!(bucket["exemplar"]["timestamp"], 1.5);
    assert_eq!(metrics.len(), 4, "nothing of /other: {metrics:#?}");

    let health = &document["health"][0];
    assert_eq!(health["service"], "orders");
    assert_eq!((&health["ready"], &health["live"]), (&json!(true), &json!(true)));
    assert_eq!(health["checks"], json!({"db": "ok"}));
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn list_is_newest_first_and_filtered() {
    let running = builder().start().await.unwrap();
    for (trace, route, status, ms) in
        [(1, "/a", 200, 5), (2, "/b", 404, 50), (3, "/a", 503, 500), (4, "/a", 200, 7)]
    {
        let (start, end) = (trace * 1_000_000_000, trace * 1_000_000_000 + ms * 1_000_000);
        let span = otlp::span(u128::from(trace), trace, 0, "GET", (start, end));
        send(&running, "gateway", vec![server(span, route, status)]).await;
    }
    let list = |query: &str| {
        let answer = get(running.api(), &format!("/api/requests{query}"));
        assert_eq!(answer.status, 200, "{query}");
        let ids = names(&answer.json(), "trace_id");
        ids.iter().map(|id| u64::from_str_radix(id, 16).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(list(""), [4, 3, 2, 1]);
    assert_eq!(list("?route=%2Fa"), [4, 3, 1]);
    assert_eq!(list("?status=404"), [2]);
    assert_eq!(list("?status=5xx"), [3]);
    assert_eq!(list("?status=error"), [3]);
    assert_eq!(list("?status=ok&min_ms=6"), [4, 2]);
    assert_eq!(list("?limit=2"), [4, 3]);
    assert_eq!(list("?route=&status=&min_ms=&limit="), [4, 3, 2, 1], "empty is no wish");
    for bad in ["?status=many", "?min_ms=-1", "?min_ms=NaN", "?limit=0", "?limit=x", "?rute=/a"] {
        let answer = get(running.api(), &format!("/api/requests{bad}"));
        assert_eq!(answer.status, 400, "{bad}");
        assert!(answer.json()["error"].is_string(), "{bad}");
    }
    let first = &get(running.api(), "/api/requests?limit=1").json()[0];
    assert_eq!(first["service"], "gateway");
    assert_eq!(first["name"], "GET");
    assert_eq!(first["started"], "1970-01-01T00:00:04.000000Z");
    assert_eq!(first["duration_ms"], 7.0);
    assert_eq!((&first["spans"], &first["services"]), (&json!(1), &json!(["gateway"])));
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_id_answers_404_and_malformed_id_400() {
    let running = builder().start().await.unwrap();
    for (id, status) in [
        (TRACE_TEXT, 404),
        ("no-such-request", 404),
        ("%20", 400),
        ("a%00b", 400),
        ("a%2Fb", 400),
        (&"a".repeat(129), 400),
    ] {
        let answer = get(running.api(), &format!("/api/requests/{id}"));
        assert_eq!(answer.status, status, "{id}");
        assert!(answer.json()["error"].is_string(), "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unsampled_request_has_log_lines() {
    let running = builder().start().await.unwrap();
    let line = json!({"timestamp": "2026-06-19T10:00:01Z", "event": "only logged", "trace_id": TRACE_TEXT});
    authorized_post(running.api(), "/api/logs/orders", line.to_string().as_bytes());
    let document = get(running.api(), &format!("/api/requests/{TRACE_TEXT}")).json();
    assert_eq!(document["spans"], json!([]));
    assert_eq!(names(&document["logs"], "event"), ["only logged"]);
    assert_eq!(document["started"], "2026-06-19T10:00:01.000000Z");
}

#[test]
fn spans_are_ordered_as_tree_even_with_cycles() {
    let store = obs_console::Store::default();
    let child = |id: u64, parent: u64, start: u64| {
        let mut span = support::span(1, id);
        span.parent_span_id = Some(SpanId::new(parent));
        span.start_unix_nanos = start;
        span
    };
    // A skewed clock: the grandchild began before everyone.
    store.add_spans([child(3, 2, 1), child(2, 1, 30), child(4, 1, 20), support::span(1, 1)]);
    // Each other's parents, and its own.
    store.add_spans([child(8, 9, 5), child(9, 8, 6), child(7, 7, 7)]);
    let document = store.request(TraceId::new(1)).unwrap();
    let placed: Vec<_> =
        document.spans.iter().map(|it| (it.span.span_id.get(), it.depth)).collect();
    assert_eq!(placed, [(1, 0), (4, 1), (2, 1), (3, 2), (8, 0), (9, 0), (7, 0)]);
    assert_eq!((document.roots.len(), document.orphans.len()), (1, 0));
}
