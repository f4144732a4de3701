//! Error events in Sentry's protocol: what is kept of them, and where they show.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

mod support;

use std::io::Write;
use std::net::SocketAddr;

use flate2::{Compression, write::GzEncoder};
use obs_console::{Console, Limits, Running};
use obs_context::TraceId;
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{Answer, authorized_post, builder, get, post, raw, span};

const AUTH: &str = "x-sentry-auth: Sentry sentry_key=key, sentry_version=7\r\n";
const PATH: &str = "/api/42/envelope/";

async fn start() -> Running {
    builder().start().await.unwrap()
}

/// An envelope with one event, with a length as most SDKs send it.
fn envelope(event: &Value) -> Vec<u8> {
    let payload = event.to_string();
    format!("{{}}\n{{\"type\":\"event\",\"length\":{}}}\n{payload}\n", payload.len()).into_bytes()
}

fn send(running: &Running, event: &Value) -> Answer {
    post(running.otlp_http(), PATH, AUTH, &envelope(event))
}

fn event(id: u8) -> Value {
    json!({ "event_id": format!("{id:032x}") })
}

fn with(id: u8, fields: Value) -> Value {
    let mut event = event(id);
    event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    event
}

fn listed(running: &Running) -> Vec<Value> {
    get(running.api(), "/api/errors").json().as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn error_event_keeps_exceptions_frames_and_breadcrumbs() {
    let running = start().await;
    let answer = send(
        &running,
        &with(
            7,
            json!({
                "timestamp": 1_781_863_200.5, "level": "fatal", "message": "the report could not be made",
                "release": "orders@1.2.3", "environment": "production", "transaction": "GET /fail",
                "tags": {"service": "orders", "request_id": "r-1", "http.route": "/fail"},
                "contexts": {"trace": {"trace_id": "0000000000000000000000000000000a", "span_id": "00000000000000ab"}},
                "exception": {"values": [
                    {"type": "SqliteError", "value": "no such table: reports"},
                    {"type": "Database", "value": "query failed", "stacktrace": {"frames": [
                        {"function": "main", "in_app": false},
                        {"function": "orders::fail", "filename": "src/main.rs", "lineno": 96, "in_app": true},
                        {"function": "orders::ask", "filename": "src/database.rs", "in_app": true},
                        {"function": "sqlx::query"}
                    ]}}
                ]},
                "breadcrumbs": {"values": [{
                    "timestamp": "2026-06-19T10:00:00Z", "level": "info", "category": "orders",
                    "message": "asked", "data": {"n": 1}
                }]},
                "request": {"url": "http://x/?secret", "cookies": "secret"}, "extra": {"unused": true}
            }),
        ),
    );
    let id = "00000000000000000000000000000007";
    assert_eq!((answer.status, answer.json()), (200, json!({ "id": id })));
    let kept = json!({
        "event_id": id, "service": "orders", "timestamp": "2026-06-19T10:00:00.500000Z",
        "level": "fatal", "message": "the report could not be made",
        "exceptions": [
            {"type": "Database", "value": "query failed"},
            {"type": "SqliteError", "value": "no such table: reports"}
        ],
        "frames": [
            {"function": "orders::ask", "file": "src/database.rs", "line": null},
            {"function": "orders::fail", "file": "src/main.rs", "line": 96}
        ],
        "trace_id": "0000000000000000000000000000000a", "span_id": "00000000000000ab",
        "request_id": "r-1", "transaction": "GET /fail", "release": "orders@1.2.3",
        "environment": "production",
        "tags": {"http.route": "/fail", "request_id": "r-1", "service": "orders"},
        "breadcrumbs": [{
            "timestamp": "2026-06-19T10:00:00.000000Z", "level": "info", "category": "orders",
            "message": "asked", "data": {"n": 1}
        }]
    });
    let mut numbered = kept.clone();
    numbered["seq"] = json!(1);
    assert_eq!(listed(&running), [numbered]);
    for name in ["0000000000000000000000000000000a", "r-1"] {
        let document = get(running.api(), &format!("/api/requests/{name}")).json();
        assert_eq!(document["errors"], json!([kept]), "{name}");
        assert_eq!(document["request_id"], "r-1");
        assert_eq!(document["services"], json!(["orders"]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn document_has_errors_of_trace_and_request_id() {
    let running = start().await;
    running.store().add_spans([span(10, 1)]);
    let trace = |id: &str| json!({"trace": {"trace_id": id}});
    let mine = trace("0000000000000000000000000000000a");
    let other = trace("0000000000000000000000000000000b");
    let tags = json!({"request_id": "r-1"});
    send(
        &running,
        &with(1, json!({"contexts": mine, "tags": [["request_id", "r-1"]], "timestamp": 3})),
    );
    send(&running, &with(2, json!({"tags": tags, "timestamp": 1})));
    send(&running, &with(3, json!({"tags": tags, "contexts": other, "timestamp": 2})));
    send(&running, &with(4, json!({"tags": {"request_id": "r-2"}})));
    let document = running.store().request(TraceId::new(10)).unwrap();
    let ids: Vec<u128> = document.errors.iter().map(|event| event.event_id).collect();
    assert_eq!(ids, [2, 1], "by time");
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_event_field_is_ignored_alone() {
    let running = start().await;
    for (id, fields) in [
        json!({"exception": null, "breadcrumbs": 7, "tags": "x", "contexts": [], "timestamp": "soon"}),
        json!({"exception": [{"type": "E"}], "breadcrumbs": [{}], "level": {}, "timestamp": -1}),
        json!({"exception": {"type": "E"}, "contexts": {"trace": {"trace_id": "0", "span_id": 5}}}),
        json!({"logentry": {"message": "%s failed", "formatted": "it failed"}, "timestamp": 1e300}),
        json!({"message": {"message": "it failed"}, "threads": {"values": [
            {}, {"stacktrace": {"frames": [{"in_app": true, "function": "f", "abs_path": "/a.rs"}, 5]}}
        ]}}),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(send(&running, &with(u8::try_from(id + 1).unwrap(), fields)).status, 200);
    }
    let [last, entry, _, list, first] = listed(&running).try_into().unwrap();
    assert_eq!((&first["level"], &first["service"]), (&json!("error"), &json!("unknown")));
    assert_eq!(list["exceptions"], json!([{"type": "E", "value": ""}]));
    assert_eq!((&entry["message"], &last["message"]), (&json!("it failed"), &json!("it failed")));
    assert_eq!(last["frames"], json!([{"function": "f", "file": "/a.rs", "line": null}]));
    assert!(first["timestamp"].as_str().unwrap() > "2026", "when it arrived: {first}");
}

#[tokio::test(flavor = "multi_thread")]
async fn envelopes_compressed_from_pages_or_with_items_are_accepted() {
    let running = start().await;
    let address = running.otlp_http();
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&envelope(&event(1))).unwrap();
    let gzip = format!("{AUTH}content-encoding: gzip\r\n");
    assert_eq!(post(address, PATH, &gzip, &packed.finish().unwrap()).status, 200);
    assert_eq!(post(address, PATH, &gzip, b"no gzip").status, 400);

    let from_page = "origin: http://localhost:5173\r\ncontent-type: text/plain\r\n";
    let by_query = format!("{PATH}?sentry_version=7&sentry_key=key");
    let answer = post(address, &by_query, from_page, &envelope(&event(2)));
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("access-control-allow-origin: http://localhost:5173"));
    let preflight = "OPTIONS /api/42/envelope/ HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
        origin: http://localhost:5173\r\naccess-control-request-method: POST\r\n\r\n";
    let answer = raw(address, preflight.as_bytes());
    assert!(answer.status == 204 && answer.head.contains("x-sentry-auth"), "{}", answer.head);

    // The id of the envelope's headers, and its DSN as the key.
    let alone =
        b"{\"event_id\":\"00000000000000000000000000000003\",\"dsn\":\"http://k@localhost/1\"}\n\
        {\"type\":\"session\"}\n{}\n{\"type\":\"event\"}\n{}";
    assert_eq!(post(address, "/api/42/envelope", "", alone).status, 200);
    assert_eq!(send(&running, &event(2)).status, 200, "once more");
    let ids: Vec<Value> = listed(&running).iter().map(|event| event["event_id"].clone()).collect();
    assert_eq!(ids, [3, 2, 1].map(|id| json!(format!("{id:032x}"))), "each once");
    let received = running.store().stats().received;
    assert_eq!(
        (received.errors, received.errors_repeated, received.envelope_items_ignored),
        (4, 1, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_envelope_request_is_rejected_with_sentence() {
    let running = start().await;
    let address = running.otlp_http();
    let one = envelope(&event(1));
    for (path, headers, body, status, part) in [
        (PATH, "", &one[..], 401, "DSN"),
        (PATH, AUTH, b"", 400, "first line"),
        (PATH, AUTH, b"no envelope", 400, "first line"),
        (PATH, AUTH, b"{}\n{}\n", 400, "type"),
        (PATH, AUTH, b"{}\n{\"type\":\"event\"}\n[]", 400, "JSON object"),
        (PATH, AUTH, b"{}\n{\"type\":\"event\"}\n{}", 400, "event_id"),
        (PATH, AUTH, b"{}\n{\"type\":\"event\",\"length\":9}\n{}", 400, "shorter"),
        ("/api/42/store/", AUTH, &one[..], 404, "envelope"),
        ("/api//envelope/", AUTH, &one[..], 404, "envelope"),
        ("/api/a/b/envelope/", AUTH, &one[..], 404, "envelope"),
    ] {
        let answer = post(address, path, headers, body);
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status, status, "{path}: {text}");
        assert!(text.contains(part), "{path}: {text}");
    }
    let large = format!("{AUTH}content-encoding: gzip\r\n");
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    bomb.write_all(&vec![b' '; 64 << 20]).unwrap();
    assert_eq!(post(address, PATH, &large, &bomb.finish().unwrap()).status, 413);
    for (head, status) in [
        (format!("GET {PATH} HTTP/1.1\r\nhost: localhost\r\n"), 405),
        (format!("POST {PATH} HTTP/1.1\r\nhost: evil.example\r\n{AUTH}"), 403),
        (
            format!("POST {PATH} HTTP/1.1\r\nhost: localhost\r\norigin: http://evil.example\r\n"),
            403,
        ),
    ] {
        let sent = format!("{head}connection: close\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(raw(address, sent.as_bytes()).status, status, "{head}");
    }
    assert_eq!(listed(&running).len(), 0);
    assert_eq!(running.store().stats().rejected.requests, 14);
}

#[tokio::test(flavor = "multi_thread")]
async fn error_events_past_limit_are_evicted_and_counted() {
    let mut limits = Limits::default();
    (limits.errors, limits.error_bytes) = (3, 20_000);
    let running = builder().limits(limits).start().await.unwrap();
    for id in 1..=5 {
        assert_eq!(send(&running, &event(id)).status, 200);
    }
    let stats = running.store().stats();
    assert_eq!((stats.stored.errors, stats.evicted.errors), (3, 2));
    assert_eq!(listed(&running)[0]["event_id"], format!("{:032x}", 5));
    let two = get(running.api(), "/api/errors?limit=2").json();
    assert_eq!(two.as_array().unwrap().len(), 2);
    assert_eq!(get(running.api(), "/api/errors?limit=0").status, 400);
    assert_eq!(get(running.api(), "/api/errors?status=ok").status, 400);

    for id in 6..=8 {
        send(&running, &with(id, json!({"message": "x".repeat(9_000)})));
    }
    let stats = running.store().stats();
    assert!(stats.stored.error_bytes <= 20_000 && stats.stored.errors == 2, "{stats:?}");
    let answer = send(&running, &with(9, json!({"message": "x".repeat(30_000)})));
    assert_eq!(answer.status, 413);
    assert!(answer.json()["detail"].as_str().unwrap().contains("error_bytes"));
    assert_eq!(running.store().stats().rejected.errors, 1);
    assert_eq!(listed(&running)[0]["event_id"], format!("{:032x}", 8), "nothing had to go for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn printed_dsn_is_accepted_and_list_needs_token() {
    let running = start().await;
    let dsn = running.sentry_dsn();
    assert_eq!(dsn, format!("http://console@{}/1", running.otlp_http()));
    let without = "GET /api/errors HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert_eq!(raw(running.api(), without.as_bytes()).status, 401);
    assert_eq!(authorized_post(running.api(), "/api/errors", b"").status, 405);
}

/// JSON of the protocol's own names, in places that are none of theirs.
fn json_of_the_protocol() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        any::<i64>().prop_map(Value::from),
        "[0-9a-f-]{0,40}|\\PC{0,12}|2026-06-19T10:00:00Z".prop_map(Value::from),
    ];
    const NAMES: [&str; 16] = [
        "event_id",
        "values",
        "exception",
        "breadcrumbs",
        "contexts",
        "trace",
        "trace_id",
        "tags",
        "timestamp",
        "stacktrace",
        "frames",
        "in_app",
        "message",
        "threads",
        "type",
        "length",
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(&NAMES[..]), inner), 0..8).prop_map(
                |pairs| {
                    Value::Object(
                        pairs.into_iter().map(|(name, value)| (name.into(), value)).collect(),
                    )
                }
            ),
        ]
    })
}

/// Sends to one console that stays up over all cases.
fn answered(body: &[u8]) -> u16 {
    static ADDRESS: std::sync::LazyLock<SocketAddr> = std::sync::LazyLock::new(|| {
        let (send, receive) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let free: SocketAddr = ([127, 0, 0, 1], 0).into();
                let console = Console::builder().otlp_grpc(free).otlp_http(free).api(free);
                let running = console.start().await.unwrap();
                send.send(running.otlp_http()).unwrap();
                std::future::pending::<()>().await;
                drop(running);
            });
        });
        receive.recv().unwrap()
    });
    post(*ADDRESS, PATH, AUTH, body).status
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_event_is_answered(event in json_of_the_protocol(), cut in 0_usize..400) {
        let whole = envelope(&event);
        let has_id = event["event_id"].as_str().is_some_and(|id| {
            id.chars().filter(|digit| *digit != '-').count() == 32
        });
        prop_assert_eq!(answered(&whole), if has_id { 200 } else { 400 });
        // Cut off anywhere.
        let part = &whole[..cut.min(whole.len())];
        prop_assert!(matches!(answered(part), 200 | 400));
    }

    #[test]
    fn arbitrary_bytes_are_answered(
        lines in prop::collection::vec(
            prop_oneof![
                Just(b"{}".to_vec()),
                Just(b"{\"type\":\"event\"}".to_vec()),
                (0_u64..50).prop_map(|length| format!("{{\"type\":\"event\",\"length\":{length}}}").into_bytes()),
                prop::collection::vec(any::<u8>(), 0..40),
            ],
            0..12,
        )
    ) {
        prop_assert!(matches!(answered(&lines.join(&b'\n')), 200 | 400));
    }
}
