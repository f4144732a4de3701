//! OTLP/JSON as protobuf's JSON mapping has it, and senders that are browsers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

mod support;

use obs_console::Running;
use obs_context::TraceId;
use serde_json::{Value, json};
use support::{Answer, builder, get, post, raw};

const JSON: &str = "content-type: application/json\r\n";

async fn start() -> Running {
    builder().start().await.unwrap()
}

fn send(running: &Running, signal: &str, body: &str) -> Answer {
    post(running.otlp_http(), &format!("/v1/{signal}"), JSON, body.as_bytes())
}

fn span(fields: Value) -> Value {
    let mut span = json!({"traceId": "0000000000000000000000000000000a", "spanId": "00000000000000ab", "name": "n"});
    span.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    span
}

fn spans(spans: Vec<Value>) -> String {
    json!({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).to_string()
}

/// The joined document's only span.
fn shown(running: &Running) -> Value {
    let document = get(running.api(), "/api/requests/0000000000000000000000000000000a").json();
    document["spans"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn json_null_counts_as_absent() {
    let running = start().await;
    let body = json!({"resourceSpans": [{"resource": null, "schemaUrl": null, "scopeSpans": [{
        "scope": null,
        "spans": [span(json!({
            "parentSpanId": null, "kind": null, "attributes": null, "events": null, "links": null,
            "status": null, "droppedAttributesCount": null, "startTimeUnixNano": null, "traceState": null,
            "flags": null, "endTimeUnixNano": null
        }))]
    }, {"spans": null}]}, {"scopeSpans": null}]});
    let answer = send(&running, "traces", &body.to_string());
    assert_eq!((answer.status, answer.json()), (200, json!({})));
    assert_eq!(shown(&running)["name"], "n");
    assert_eq!(send(&running, "traces", r#"{"resourceSpans": null}"#).status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_numbers_enums_and_names_of_each_spelling_are_accepted() {
    let running = start().await;
    let attributes = json!([
        {"key": "none", "value": {"arrayValue": {}}},
        {"key": "map", "value": {"kvlistValue": {}}},
        {"key": "null", "value": null},
        {"key": "nan", "value": {"doubleValue": "NaN"}},
        {"key": "infinite", "value": {"doubleValue": "-Infinity"}},
        {"key": "double", "value": {"doubleValue": "1.5e3"}},
        {"key": "int", "value": {"intValue": 1e3}},
        {"key": "int_text", "value": {"intValue": "-9223372036854775808"}},
        {"key": "bytes", "value": {"bytesValue": "_-8"}},
        {"key": "future", "value": {"futureValue": {"a": 1}}},
        {"key": "list", "value": {"array_value": {"values": [{"string_value": "NaN"}, {"intValue": "2"}]}}}
    ]);
    let body = spans(vec![span(json!({
        "kind": "SPAN_KIND_SERVER", "status": {"code": "STATUS_CODE_ERROR", "message": "m"},
        "start_time_unix_nano": 1000.0, "endTimeUnixNano": "3000", "dropped_attributes_count": "1",
        "flags": "257", "attributes": attributes, "unknown": {"deep": [null, {}]}
    }))]);
    let answer = send(&running, "traces", &body);
    assert_eq!((answer.status, answer.json()), (200, json!({})));
    let span = shown(&running);
    assert_eq!((&span["kind"], &span["status"]), (&json!("server"), &json!("error")));
    let read = &span["attributes"];
    assert_eq!(
        (&read["none"], &read["map"], &read["null"]),
        (&json!([]), &json!({}), &Value::Null)
    );
    assert_eq!((&read["nan"], &read["infinite"]), (&json!("NaN"), &json!("-inf")));
    assert_eq!((&read["double"], &read["int"]), (&json!(1500.0), &json!(1000)));
    assert_eq!((&read["int_text"], &read["bytes"]), (&json!(i64::MIN), &json!("ffef")));
    assert_eq!(read["list"], json!(["NaN", 2]), "text stays text");
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_json_item_is_skipped_alone() {
    let running = start().await;
    let bad = [json!({"spanId": "xyz"}), json!({"name": 5}), json!({"kind": "SPAN_KIND_TURTLE"})];
    let mut all: Vec<Value> = bad.into_iter().map(span).collect();
    all.insert(1, span(json!({})));
    all.push(json!("no object"));
    let answer = send(&running, "traces", &spans(all));
    assert_eq!(answer.status, 200);
    let partial = &answer.json()["partialSuccess"];
    assert_eq!(partial["rejectedSpans"].to_string().trim_matches('"'), "4", "{partial}");
    assert!(!partial["errorMessage"].as_str().unwrap().is_empty());
    assert_eq!(shown(&running)["name"], "n");
    assert_eq!(running.store().stats().rejected.spans, 4);

    let logs = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [
        {"timeUnixNano": "1", "severityNumber": "SEVERITY_NUMBER_WARN", "body": {"stringValue": "kept"}},
        {"timeUnixNano": {}, "body": {"stringValue": "lost"}}
    ]}]}]});
    let answer = send(&running, "logs", &logs.to_string());
    assert_eq!(
        answer.json()["partialSuccess"]["rejectedLogRecords"].to_string().trim_matches('"'),
        "1"
    );
    let stats = running.store().stats();
    assert_eq!((stats.received.logs, stats.rejected.logs), (1, 1));
}

/// A request on `/x` that begins and ends now.
fn request_now(running: &Running) {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = since_epoch.as_nanos().to_string();
    let request = span(json!({
        "kind": 2, "startTimeUnixNano": now, "endTimeUnixNano": now,
        "attributes": [{"key": "http.route", "value": {"stringValue": "/x"}}]
    }));
    assert_eq!(send(running, "traces", &spans(vec![request])).status, 200);
}

/// The series that it moved, with their values now.
fn series(running: &Running) -> Vec<(String, f64)> {
    let document = get(running.api(), "/api/requests/0000000000000000000000000000000a").json();
    let changes = document["metrics"].as_array().unwrap().iter();
    let all = changes.filter_map(|change| {
        let labels = change["labels"].as_object()?.iter().filter(|(name, _)| *name != "http.route");
        let labels: Vec<_> =
            labels.map(|(name, value)| format!("{name}={}", value.as_str().unwrap())).collect();
        let name = format!("{}{{{}}}", change["name"].as_str()?, labels.join(","));
        Some((name, change["after"].as_f64()?))
    });
    all.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn histograms_and_summaries_are_kept_and_malformed_are_counted() {
    let running = start().await;
    let route = json!([{"key": "http.route", "value": {"stringValue": "/x"}}]);
    let metrics = json!([
        {"name": "wait", "exponentialHistogram": {
            "aggregationTemporality": "AGGREGATION_TEMPORALITY_CUMULATIVE",
            "dataPoints": [{
                "attributes": route, "count": "7", "sum": "10.5", "scale": "0", "zeroCount": 1, "zeroThreshold": 0.0,
                "positive": {"offset": 1, "bucketCounts": ["2", 3]},
                "negative": {"offset": "0", "bucketCounts": [1]}
            }]}},
        {"name": "size", "summary": {"dataPoints": [
            {"attributes": route, "count": 2, "sum": "NaN", "quantileValues": [{"quantile": 0.5, "value": "3.5"}]}
        ]}},
        {"name": "depth", "gauge": {"dataPoints": [
            {"attributes": route, "asInt": "4"}, {"asDouble": "NaN", "attributes": [{"key": "a", "value": {"stringValue": "b"}}]},
            {"asInt": "many"}, {}
        ]}},
        {"name": "of the future", "dial": {"dataPoints": [{}, {}]}}
    ]);
    let body = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}).to_string();
    // A bucket is shown where it moved: all begin at zero.
    let zero = body
        .replace("[1]", "[0]")
        .replace("\"2\",3", "0,0")
        .replace("\"zeroCount\":1", "\"zeroCount\":0");
    send(&running, "metrics", &zero);
    request_now(&running);
    let answer = send(&running, "metrics", &body);
    assert_eq!(answer.status, 200);
    let partial = &answer.json()["partialSuccess"];
    // "many", the point without a value, and the metric of an unknown kind.
    assert_eq!(partial["rejectedDataPoints"].to_string().trim_matches('"'), "3", "{partial}");
    let all = series(&running);
    let value = |name: &str| all.iter().find(|(key, _)| key == name).map(|(_, value)| *value);
    assert_eq!(value("wait_bucket{le=-1}"), Some(1.0), "{all:?}");
    assert_eq!(value("wait_bucket{le=0}"), Some(2.0), "{all:?}");
    assert_eq!(value("wait_bucket{le=4}"), Some(4.0), "{all:?}");
    assert_eq!(value("wait_bucket{le=8}"), Some(7.0), "{all:?}");
    assert_eq!((value("wait_count{}"), value("wait_sum{}")), (Some(7.0), Some(10.5)));
    assert_eq!(value("size{quantile=0.5}"), Some(3.5), "{all:?}");
    assert_eq!(value("size_count{}"), Some(2.0), "{all:?}");
    assert_eq!(value("depth{}"), Some(4.0), "{all:?}");
}

fn from(host: &str, origin: Option<&str>, method: &str, more: &str) -> Vec<u8> {
    let origin = origin.map(|origin| format!("origin: {origin}\r\n")).unwrap_or_default();
    let body = if method == "POST" { "{}" } else { "" };
    format!(
        "{method} /v1/traces HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{origin}{more}\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn receivers_reject_foreign_hosts_and_origins() {
    let running = start().await;
    let address = running.otlp_http();
    let port = address.port();
    let by_port = format!("127.0.0.1:{port}");
    for (host, origin, status) in [
        (&*by_port, None, 200),
        ("localhost", None, 200),
        ("[::1]:4318", None, 200),
        ("evil.example", None, 403),
        ("localhost.evil.example", None, 403),
        ("localhost", Some("http://localhost:5173"), 200),
        ("localhost", Some("https://127.0.0.1"), 200),
        ("localhost", Some("https://evil.example"), 403),
        ("localhost", Some("null"), 403),
        ("localhost", Some("http://localhost@evil.example"), 403),
    ] {
        let answer = raw(address, &from(host, origin, "POST", JSON));
        assert_eq!(answer.status, status, "{host} {origin:?}: {}", answer.head);
        let allowed = answer.head.to_lowercase().contains("access-control-allow-origin: ");
        assert_eq!(allowed, origin.is_some() && status == 200, "{origin:?}: {}", answer.head);
    }
    let asks =
        "access-control-request-method: POST\r\naccess-control-request-headers: content-type\r\n";
    let answer = raw(address, &from("localhost", Some("http://localhost:5173"), "OPTIONS", asks));
    assert_eq!(answer.status, 204, "{}", answer.head);
    let head = answer.head.to_lowercase();
    assert!(head.contains("access-control-allow-origin: http://localhost:5173\r\n"), "{head}");
    assert!(head.contains("access-control-allow-headers: content-type"), "{head}");
    let answer = raw(address, &from("localhost", Some("http://evil.example"), "OPTIONS", asks));
    assert_eq!(answer.status, 403, "{}", answer.head);
    assert!(running.store().request(TraceId::new(10)).is_none());
}
