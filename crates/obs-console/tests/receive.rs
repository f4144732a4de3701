//! OTLP by every road, and everything that is not OTLP.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

#[path = "support/otlp.rs"]
mod otlp;
mod support;

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use obs_console::{Filter, Running};
use obs_context::TraceId;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Otlp;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, Histogram, HistogramDataPoint, Metric, ResourceMetrics, ScopeMetrics, exemplar,
};
use prost::Message;
use serde_json::json;
use support::{Answer, authorized_post, builder, get, post, raw};
use tonic::Code;
use tonic::codec::CompressionEncoding;

const PROTOBUF: &str = "content-type: application/x-protobuf\r\n";
const JSON: &str = "content-type: application/json\r\n";

async fn start() -> Running {
    builder().start().await.unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn one_span(trace_id: u128) -> Vec<u8> {
    otlp::traces("orders", vec![otlp::span(trace_id, 1, 0, "work", (1, 2))]).encode_to_vec()
}

fn known(running: &Running, trace_id: u128) -> bool {
    running.store().request(TraceId::new(trace_id)).is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_accepts_all_signals_with_gzip() {
    let running = start().await;
    let address = format!("http://{}", running.otlp_grpc());
    let mut traces = TraceServiceClient::connect(address.clone())
        .await
        .unwrap()
        .send_compressed(CompressionEncoding::Gzip);
    let span = otlp::span(7, 1, 0, "work", (1, 2));
    let bad = otlp::span(0, 1, 0, "no trace", (1, 2));
    let answer = traces.export(otlp::traces("orders", vec![span, bad])).await.unwrap().into_inner();
    let partial = answer.partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 1);
    assert!(partial.error_message.contains("trace id"), "{}", partial.error_message);

    let record = LogRecord {
        time_unix_nano: 5,
        severity_number: 17,
        body: Some(AnyValue { value: Some(Otlp::StringValue("failed".into())) }),
        attributes: vec![
            otlp::text("request_id", "r-7"),
            otlp::pair(
                "codes",
                Otlp::ArrayValue(ArrayValue {
                    values: vec![
                        AnyValue { value: Some(Otlp::IntValue(4)) },
                        AnyValue { value: None },
                    ],
                }),
            ),
            otlp::pair("raw", Otlp::BytesValue(vec![0xca, 0xfe])),
            otlp::pair("ratio", Otlp::DoubleValue(f64::NAN)),
            otlp::text("level", "collides"),
        ],
        trace_id: 7_u128.to_be_bytes().to_vec(),
        ..Default::default()
    };
    let mut logs = LogsServiceClient::connect(address.clone()).await.unwrap();
    let request = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: otlp::resource("orders"),
            scope_logs: vec![ScopeLogs { log_records: vec![record], ..Default::default() }],
            ..Default::default()
        }],
    };
    assert_eq!(logs.export(request).await.unwrap().into_inner().partial_success, None);

    let mut metrics = MetricsServiceClient::connect(address).await.unwrap();
    let answer = metrics.export(histogram()).await.unwrap();
    assert_eq!(answer.into_inner().partial_success, None);

    let document = get(running.api(), "/api/requests/r-7").json();
    assert_eq!(document["spans"][0]["service"], "orders");
    assert_eq!(document["logs"][0]["level"], "ERROR");
    assert_eq!(document["logs"][0]["event"], "failed");
    assert_eq!(document["logs"][0]["codes"], json!([4, null]));
    assert_eq!(document["logs"][0]["raw"], "cafe");
    assert_eq!(document["logs"][0]["ratio"], "NaN");
    assert_eq!(document["logs"][0]["fields.level"], "collides");
    let moved = &document["metrics"];
    assert_eq!(moved[0]["name"], "latency_bucket");
    assert_eq!(moved[0]["labels"], json!({"kind": "fast", "le": "0.5"}));
    assert_eq!(moved[0]["exemplar"]["value"], 0.3);
    assert_eq!(moved.as_array().unwrap().len(), 1);
    running.shutdown().await;
}

fn histogram() -> ExportMetricsServiceRequest {
    let point = HistogramDataPoint {
        attributes: vec![otlp::text("kind", "fast")],
        count: 3,
        sum: Some(1.5),
        bucket_counts: vec![1, 2, 0],
        explicit_bounds: vec![0.1, 0.5],
        exemplars: vec![Exemplar {
            trace_id: 7_u128.to_be_bytes().to_vec(),
            span_id: 1_u64.to_be_bytes().to_vec(),
            value: Some(exemplar::Value::AsDouble(0.3)),
            ..Default::default()
        }],
        ..Default::default()
    };
    let histogram = Histogram { data_points: vec![point], aggregation_temporality: 2 };
    let metric = Metric {
        name: "latency".into(),
        data: Some(Data::Histogram(histogram)),
        ..Default::default()
    };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: otlp::resource("orders"),
            scope_metrics: vec![ScopeMetrics { metrics: vec![metric], ..Default::default() }],
            ..Default::default()
        }],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http_accepts_protobuf_and_json_with_and_without_gzip() {
    let running = start().await;
    let http = running.otlp_http();
    let answer = post(http, "/v1/traces", PROTOBUF, &one_span(1));
    assert_eq!((answer.status, &*answer.body), (200, &b""[..]));
    assert!(answer.head.contains("application/x-protobuf"), "{}", answer.head);
    let packed = format!("{PROTOBUF}content-encoding: gzip\r\n");
    assert_eq!(post(http, "/v1/traces", &packed, &gzip(&one_span(2))).status, 200);

    let json = json!({"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "web"}}]},
        "scopeSpans": [{"spans": [{
            "traceId": "0000000000000000000000000000000A", "spanId": "00000000000000AB", "parentSpanId": "",
            "name": "load", "kind": 3, "startTimeUnixNano": "1000", "endTimeUnixNano": 3000,
            "attributes": [{"key": "n", "value": {"intValue": "9007199254740993"}}],
            "unknownField": {"a": [1]}, "status": {"code": 2, "message": "broken"}
        }]}]
    }]});
    let answer = post(
        http,
        "/v1/traces",
        "content-type: application/json; charset=utf-8\r\n",
        json.to_string().as_bytes(),
    );
    assert_eq!((answer.status, answer.json()), (200, json!({})));
    let document = get(running.api(), "/api/requests/0000000000000000000000000000000a").json();
    let span = &document["spans"][0];
    assert_eq!((&span["service"], &span["kind"]), (&json!("web"), &json!("client")));
    assert_eq!(span["attributes"]["n"], 9_007_199_254_740_993_u64);
    assert_eq!((&span["status"], &span["status_message"]), (&json!("error"), &json!("broken")));
    assert_eq!(document["error"], true);

    let packed = format!("{JSON}content-encoding: gzip\r\n");
    let logs = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [
        {"timeUnixNano": "1", "body": {"stringValue": "hello"}, "traceId": "0000000000000000000000000000000a"}
    ]}]}]});
    assert_eq!(post(http, "/v1/logs", &packed, &gzip(logs.to_string().as_bytes())).status, 200);
    let metrics = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [
        {"name": "jobs", "sum": {"isMonotonic": true, "aggregationTemporality": 2,
         "dataPoints": [{"asInt": "5"}, {"asDouble": 1.5, "attributes": [{"key": "a", "value": {"boolValue": true}}]}]}}
    ]}]}]});
    assert_eq!(post(http, "/v1/metrics", JSON, metrics.to_string().as_bytes()).status, 200);
    let stats = running.store().stats();
    assert!(known(&running, 1) && known(&running, 2));
    assert_eq!((stats.received.logs, stats.received.samples), (1, 2));
    assert_eq!(running.store().request(TraceId::new(10)).unwrap().logs.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn partial_success_has_rejected_count() {
    let running = start().await;
    let request =
        otlp::traces("a", vec![otlp::span(0, 1, 0, "", (0, 0)), otlp::span(1, 1, 0, "", (9, 3))]);
    let answer = post(running.otlp_http(), "/v1/traces", PROTOBUF, &request.encode_to_vec());
    let decoded = ExportTraceServiceResponse::decode(&*answer.body).unwrap();
    assert_eq!(decoded.partial_success.unwrap().rejected_spans, 1);
    let json = json!({"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "no ids"}]}]}]});
    let answer = post(running.otlp_http(), "/v1/traces", JSON, json.to_string().as_bytes());
    let partial = &answer.json()["partialSuccess"];
    assert!(partial["rejectedSpans"] == 1 || partial["rejectedSpans"] == "1", "{partial}");
    let document = running.store().request(TraceId::new(1)).unwrap();
    assert_eq!(document.spans[0].span.duration_nanos, 0, "a span that ends before it begins");
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_otlp_request_is_rejected_with_right_status() {
    let running = start().await;
    let http = running.otlp_http();
    let nested = "[".repeat(100_000);
    let deep = format!(r#"{{"resourceSpans":{nested}"#);
    let bomb = gzip(&vec![0; 200 << 20]);
    let packed = format!("{PROTOBUF}content-encoding: gzip\r\n");
    let cases: Vec<(&str, Answer, u16)> = vec![
        ("empty protobuf is an empty request", post(http, "/v1/traces", PROTOBUF, b""), 200),
        ("empty JSON is none", post(http, "/v1/traces", JSON, b""), 400),
        ("bad protobuf", post(http, "/v1/traces", PROTOBUF, b"\xff\xff\xff\xff"), 400),
        (
            "a length past the end",
            post(http, "/v1/traces", PROTOBUF, b"\x0a\xff\xff\xff\xff\x0f"),
            400,
        ),
        ("bad JSON", post(http, "/v1/logs", JSON, b"{"), 400),
        ("JSON of another kind", post(http, "/v1/logs", JSON, br#"{"resourceLogs": 5}"#), 400),
        ("deep JSON", post(http, "/v1/traces", JSON, deep.as_bytes()), 400),
        ("bad UTF-8", post(http, "/v1/metrics", JSON, b"{\"\xff\": 1}"), 400),
        ("no content type", post(http, "/v1/traces", "", b""), 415),
        ("a form", post(http, "/v1/traces", "content-type: text/plain\r\n", b"x"), 415),
        (
            "zstd",
            post(http, "/v1/traces", &format!("{PROTOBUF}content-encoding: zstd\r\n"), b"x"),
            415,
        ),
        ("no gzip", post(http, "/v1/traces", &packed, b"plain"), 400),
        ("gzip cut short", post(http, "/v1/traces", &packed, &gzip(&one_span(1))[..20]), 400),
        ("a gzip bomb", post(http, "/v1/traces", &packed, &bomb), 413),
        ("huge", post(http, "/v1/traces", PROTOBUF, &vec![0; 5 << 20]), 413),
        ("another path", post(http, "/v1/trace", PROTOBUF, b""), 404),
        (
            "another method",
            raw(http, b"GET /v1/traces HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"),
            405,
        ),
        ("no HTTP", raw(http, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"), 400),
    ];
    let mut refused = 0;
    for (what, answer, status) in cases {
        assert_eq!(answer.status, status, "{what}: {}", answer.head);
        refused += u64::from(status != 200 && what != "no HTTP");
    }
    assert_eq!(running.store().stats().rejected.requests, refused, "each is counted");
    assert_eq!(running.store().requests(&Filter::default()), [], "nothing came of it");
    assert_eq!(post(http, "/v1/traces", PROTOBUF, &one_span(1)).status, 200, "it still works");
}

#[tokio::test(flavor = "multi_thread")]
async fn chunked_body_past_limit_is_rejected() {
    let running = start().await;
    let head = "POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\
                content-type: application/x-protobuf\r\nconnection: close\r\n\r\n";
    let mut sent = head.as_bytes().to_vec();
    for _ in 0..80 {
        sent.extend_from_slice(b"10000\r\n");
        sent.extend(std::iter::repeat_n(0, 0x10000));
        sent.extend_from_slice(b"\r\n");
    }
    sent.extend_from_slice(b"0\r\n\r\n");
    assert_eq!(raw(running.otlp_http(), &sent).status, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_grpc_is_rejected_and_next_request_works() {
    let running = start().await;
    let address = format!("http://{}", running.otlp_grpc());
    let mut client = TraceServiceClient::connect(address.clone()).await.unwrap();
    let mut huge = otlp::span(1, 1, 0, "", (0, 0));
    huge.name = "x".repeat(5 << 20);
    let refused = client.export(otlp::traces("a", vec![huge.clone()])).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "not to be tried again: {refused}");
    let mut packing = TraceServiceClient::connect(address.clone())
        .await
        .unwrap()
        .send_compressed(CompressionEncoding::Gzip);
    let refused = packing.export(otlp::traces("a", vec![huge])).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "too large once unpacked: {refused}");

    // An HTTP/1 client, and one that says nothing of use.
    raw(running.otlp_grpc(), b"POST / HTTP/1.1\r\nhost: a\r\n\r\n");
    raw(
        running.otlp_grpc(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    );

    let mut client = TraceServiceClient::connect(address).await.unwrap();
    client.export(otlp::traces("a", vec![otlp::span(2, 1, 0, "", (0, 0))])).await.unwrap();
    assert!(known(&running, 2) && !known(&running, 1));
    assert_eq!(running.store().stats().rejected.requests, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_metrics_stay_within_memory_limit() {
    let running = start().await;
    let mut request = histogram();
    let of_scope = &mut request.resource_metrics[0].scope_metrics[0];
    let Some(Data::Histogram(histogram)) = &mut of_scope.metrics[0].data else {
        panic!("a histogram")
    };
    let point = &mut histogram.data_points[0];
    point.bucket_counts = vec![1; 100_000];
    let mut long_label = point.clone();
    long_label.bucket_counts = vec![1];
    long_label.attributes = vec![otlp::text("a", &"x".repeat(100_000))];
    let mut many_labels = point.clone();
    many_labels.bucket_counts = Vec::new();
    many_labels.attributes = (0..10_000).map(|n| otlp::text(&n.to_string(), "")).collect();
    histogram.data_points.extend([long_label, many_labels]);
    let answer = post(running.otlp_http(), "/v1/metrics", PROTOBUF, &request.encode_to_vec());
    assert_eq!(answer.status, 200);
    let stats = running.store().stats();
    assert_eq!((stats.stored.series, stats.rejected.samples), (0, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_past_limit_are_counted() {
    let running = start().await;
    let mut span = otlp::span(1, 1, 0, "", (0, 0));
    span.attributes = (0..300).map(|n| otlp::text(&format!("{n:03}"), "first")).collect();
    span.attributes.push(otlp::text("007", "last"));
    post(
        running.otlp_http(),
        "/v1/traces",
        PROTOBUF,
        &otlp::traces("a", vec![span]).encode_to_vec(),
    );
    let document = running.store().request(TraceId::new(1)).unwrap();
    let attributes = &document.spans[0].span.attributes;
    assert_eq!((attributes.len(), attributes.text("007")), (256, Some("last")));
    assert_eq!(running.store().stats().rejected.attributes, 44);
}

#[tokio::test(flavor = "multi_thread")]
async fn posted_log_lines_of_any_content_are_kept() {
    let running = start().await;
    let api = running.api();
    let body = b"{\"event\": \"ok\", \"trace_id\": \"zz\", \"request_id\": 5, \"span_id\": null, \"level\": {}}\n\
                 \n  \r\n\xff\xfe\x00 not text\n[1]\n{\"message\": \"m\", \"msg\": \"kept\", \"time\": \"soon\"}\n{";
    let answer = authorized_post(api, "/api/logs/my%20service", body);
    assert_eq!(answer.json(), json!({"accepted": 5, "rejected": 0, "text": 3}));
    let stats = running.store().stats();
    assert_eq!((stats.received.logs, stats.received.logs_text), (5, 3));
    for (path, status) in [("/api/logs/", 400), ("/api/logs/a%2Fb", 400), ("/api/logs", 405)] {
        assert_eq!(authorized_post(api, path, b"x").status, status, "{path}");
    }
    assert_eq!(authorized_post(api, "/api/logs/a", &vec![b'x'; 5 << 20]).status, 413);
    let wrong_method = get(api, "/api/logs/a");
    assert_eq!(wrong_method.status, 405);
    assert!(wrong_method.head.contains("allow: POST"), "{}", wrong_method.head);
}

#[tokio::test(flavor = "multi_thread")]
async fn http_port_accepts_grpc() {
    let running = builder().start().await.unwrap();
    let address = format!("http://{}", running.otlp_http());
    let mut client = TraceServiceClient::connect(address).await.unwrap();
    let spans = vec![otlp::span(5, 6, 0, "by gRPC", (1, 2))];
    client.export(otlp::traces("orders", spans)).await.unwrap();
    assert!(running.store().request(TraceId::new(5)).is_some());
    let answer =
        post(running.otlp_http(), "/v1/traces", "content-type: application/json\r\n", b"{}");
    assert_eq!(answer.status, 200, "HTTP/1 as before");
}
