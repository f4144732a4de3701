//! A whole service in one process: every pillar at once, from the first request to the report.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use obs_all::health::lifecycle::Stage;
use obs_all::{Config, context};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const TRACEPARENT: &str =
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";

async fn send(addr: SocketAddr, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let length = body.len();
    let request = format!(
        "{head}host: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn order() -> &'static str {
    obs_all::logging::bind!(user_id = 42);
    ::tracing::info!(rows = 4, "db query done");
    assert_eq!(context::active_span().unwrap().trace_id.to_string(), TRACE_ID);
    "an order"
}

async fn panics() -> &'static str {
    panic!("as a handler may")
}

/// The log, once it has what it must have: on a busy machine its flush may not keep its deadline.
async fn written(log: &Path) -> String {
    let begun = Instant::now();
    loop {
        let text = std::fs::read_to_string(log).unwrap();
        let of_request = text.lines().filter(|line| line.contains("abc-123")).count();
        let is_whole = text.ends_with('\n') && text.contains(r#""level":"error""#);
        if (of_request >= 2 && is_whole) || begun.elapsed() > Duration::from_secs(60) {
            return text;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pillars_agree_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let obs = Config::new("orders")
        .environment(|_| None)
        .log_output(log.to_str().unwrap())
        .access_log(true)
        .admin_addr(Some("127.0.0.1:0".parse().unwrap()))
        .propagation(Duration::ZERO)
        .init()
        .unwrap();
    let again = obs_all::init("again").unwrap_err();
    assert!(again.is_initialised(), "{again}");
    assert!(obs.explain().to_string().contains("traces.sampler"), "{}", obs.explain());

    let app =
        obs.observe(Router::new().route("/orders/{id}", get(order)).route("/panic", get(panics)));
    let client = obs.client(tower::service_fn(async |request: http::Request<String>| {
        assert!(request.headers().contains_key("traceparent"));
        Ok::<_, std::convert::Infallible>(http::Response::new(String::from("paid")))
    }));
    let charge = http::Request::post("http://payments:8002/charge").body(String::new()).unwrap();
    drop(tower::ServiceExt::oneshot(client, charge).await.unwrap());
    #[cfg(feature = "reqwest")]
    let by_reqwest =
        reqwest_middleware::ClientBuilder::new(reqwest::Client::new()).with(obs.reqwest()).build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, admin) = (listener.local_addr().unwrap(), obs.admin_addr().unwrap());
    let lifecycle = obs.lifecycle().clone();
    let serving = tokio::spawn(obs.serve(listener, app));

    let head = format!("GET /orders/7?secret=1 HTTP/1.1\r\nx-request-id: abc-123\r\n{TRACEPARENT}");
    let answer = send(addr, &head, "").await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("x-request-id: abc-123"),
        "{answer}"
    );
    let panicked = send(addr, "GET /panic HTTP/1.1\r\n", "").await;
    assert!(panicked.starts_with("HTTP/1.1 500"), "{panicked}");

    #[cfg(feature = "reqwest")]
    {
        let url = format!("http://{admin}/nowhere");
        let answer = by_reqwest.get(url).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 404);
    }

    let open = "GET /metrics HTTP/1.1\r\naccept: application/openmetrics-text; version=1.0.0\r\n";
    let metrics = send(admin, open, "").await;
    let counted = r#"http_requests_total{method="GET",path="/orders/{id}",status="200"} 1"#;
    let line = metrics.lines().find(|line| line.starts_with(counted)).unwrap_or(&metrics);
    assert!(line.contains(TRACE_ID), "no exemplar of the trace: {line}");
    assert!(metrics.contains(r#"http_requests_total{method="GET",path="/panic",status="500"} 1"#));
    let sent = "http_client_request_duration_seconds_count{http_request_method=\"POST\",\
        server_address=\"payments\",server_port=\"8002\",http_response_status_code=\"200\",error_type=\"\"} 1";
    assert!(metrics.lines().any(|line| line.starts_with(sent)), "{metrics}");
    #[cfg(feature = "reqwest")]
    assert!(
        metrics.contains(r#"http_response_status_code="404",error_type="404"} 1"#),
        "{metrics}"
    );
    for own in [
        "obs_log_lines_total",
        "obs_spans_started_total",
        "health_ready",
        "process_cpu_seconds_total",
    ] {
        assert!(metrics.contains(own), "{own} is not on /metrics");
    }
    let change = r#"{"filter": "warn", "for": "10m"}"#;
    let changed = send(admin, "PUT /debug/log-level HTTP/1.1\r\n", change).await;
    assert!(changed.contains(r#"{"filter":"warn"}"#), "{changed}");
    let sampled = send(admin, "PUT /debug/sampler HTTP/1.1\r\n", r#"{"ratio": 0.5}"#).await;
    assert!(sampled.contains("ratio(0.5)"), "{sampled}");
    let greedy = send(admin, "PUT /debug/sampler HTTP/1.1\r\n", r#"{"ratio": 7}"#).await;
    assert!(greedy.starts_with("HTTP/1.1 400"), "{greedy}");
    let tail = r#"{"sampler": "parent_based(budget(5))", "tail": {"errors": true, "slower_than_ms": 500, "attributes": {"tier": "gold"}}}"#;
    let tailed = send(admin, "PUT /debug/sampler HTTP/1.1\r\n", tail).await;
    assert!(tailed.contains(r#""sampler":"parent_based(budget(5))""#), "{tailed}");
    assert!(tailed.contains("tail(errors, slower than 500ms, tier = gold; "), "{tailed}");
    let ended = send(admin, "PUT /debug/sampler HTTP/1.1\r\n", r#"{"tail": null}"#).await;
    assert!(ended.contains(r#""tail":null"#), "{ended}");
    let live = send(admin, "GET /debug/spans HTTP/1.1\r\n", "").await;
    assert!(live.contains(r#"{"spans":["#), "{live}");
    let cost = send(admin, "GET /debug/cost HTTP/1.1\r\n", "").await;
    assert!(cost.contains("tests/service.rs") && cost.contains("http_requests_total"), "{cost}");
    let bill = send(admin, "GET /debug/cost HTTP/1.1\r\naccept: application/json\r\n", "").await;
    let bill: Value = serde_json::from_str(bill.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let items = bill["cost"].as_array().unwrap();
    let of = |name: &str| items.iter().find(|item| item["name"].as_str().unwrap().contains(name));
    let line = of("tests/service.rs").unwrap();
    assert!(line["bytes_per_minute"].as_f64().unwrap() > 0.0, "{line}");
    assert!(line["share"].as_f64().unwrap() > 0.0 && line["per_month"].is_null(), "{line}");
    assert!(of("http_requests_total").unwrap()["bytes"].as_u64().unwrap() > 0, "{bill}");
    assert!(items.iter().all(|item| !item["name"].as_str().unwrap().contains(" /")), "{bill}");
    let refused = send(admin, "PUT /debug/log-level HTTP/1.1\r\n", r#"{"filter": 7}"#).await;
    assert!(refused.starts_with("HTTP/1.1 400") && refused.contains("10m"), "{refused}");
    let cardinality = send(admin, "GET /debug/cardinality?format=json HTTP/1.1\r\n", "").await;
    assert!(cardinality.contains(r#"{"name":"http_requests_total","series":2"#), "{cardinality}");
    let table = send(admin, "GET /debug/cardinality HTTP/1.1\r\n", "").await;
    assert!(table.contains("  http_requests_total\n"), "{table}");
    let lint = send(admin, "GET /debug/metrics/lint HTTP/1.1\r\n", "").await;
    assert!(lint.starts_with("HTTP/1.1 200") && lint.ends_with("\r\n\r\n"), "{lint}");
    let encoded = "HEAD /metrics HTTP/1.1\r\naccept-encoding: gzip\r\n";
    let head = send(admin, encoded, "").await;
    assert!(head.contains("content-encoding: gzip"), "{head}");
    let config = send(admin, "GET /debug/config HTTP/1.1\r\n", "").await;
    assert!(config.contains("log.filter"), "{config}");

    lifecycle.shut_down();
    let report = serving.await.unwrap().unwrap();
    assert_eq!(report.stage(Stage::Logs).unwrap().lost, 0, "{report}");
    let text = written(&log).await;
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_request: Vec<_> = lines.iter().filter(|line| line["request_id"] == "abc-123").collect();
    assert_eq!(of_request.len(), 2, "the handler's line and the access line: {text}");
    for line in &of_request {
        assert_eq!(line["trace_id"], TRACE_ID, "{line}");
        assert_eq!(
            (&line["method"], &line["path"]),
            (&"GET".into(), &"/orders/7".into()),
            "{line}"
        );
    }
    assert_eq!((&of_request[0]["rows"], &of_request[0]["user_id"]), (&4.into(), &42.into()));
    assert_eq!((&of_request[1]["status"], &of_request[1]["user_id"]), (&200.into(), &42.into()));
    assert!(!text.contains("secret"), "the query string is logged");
    let panic = lines.iter().find(|line| line["level"] == "error").unwrap();
    assert!(panic["request_id"].is_string() && panic["trace_id"].is_string(), "{panic}");
}
