//! The lists of requests, log lines and errors: what their filters mean, and how one goes on from a page.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

mod support;

use obs_console::{Attributes, LogLine, Running, Span, SpanKind, SpanStatus};
use obs_context::TraceId;
use serde_json::{Value, json};
use support::{builder, get, span};

fn with(mut span: Span, pairs: &[(&str, Value)]) -> Span {
    let pairs = pairs.iter().map(|(key, value)| ((*key).into(), value.clone()));
    span.attributes = Attributes::new(pairs.collect());
    span
}

fn line(trace: Option<u128>, level: &str, event: &str) -> LogLine {
    LogLine {
        service: "orders".into(),
        instance: Some("one".into()),
        unix_nanos: 2_000_000_000,
        level: level.into(),
        event: event.into(),
        target: "orders::store".into(),
        trace_id: trace.map(TraceId::new),
        span_id: None,
        request_id: None,
        fields: Attributes::new(vec![("rows".into(), json!(3)), ("table".into(), json!("Items"))]),
    }
}

/// Three requests: a slow one that failed in a second service, a quick one, a job.
async fn filled() -> Running {
    let running = builder().start().await.unwrap();
    let mut slow = with(
        span(1, 1),
        &[
            ("http.request.method", json!("POST")),
            ("http.route", json!("/orders/{id}")),
            ("http.response.status_code", json!(500)),
        ],
    );
    slow.kind = SpanKind::Server;
    slow.instance = Some("one".into());
    slow.duration_nanos = 80_000_000;
    let mut inner =
        with(span(1, 2), &[("db.query.text", json!("SELECT Äpfel")), ("rows", json!(7))]);
    inner.parent_span_id = Some(slow.span_id);
    inner.service = "payments".into();
    inner.status = SpanStatus::Error;
    let mut quick = with(span(2, 3), &[("http.route", json!("/ping"))]);
    quick.kind = SpanKind::Server;
    quick.start_unix_nanos = 3_000_000_000;
    let mut job = span(3, 4);
    job.name = "nightly".into();
    job.start_unix_nanos = 5_000_000_000;
    running.store().add_spans([slow, inner, quick, job]);
    running.store().add_logs([
        line(Some(1), "ERROR", "Payment declined"),
        line(Some(1), "debug", "trying"),
        line(None, "WARNING", "disk is slow"),
        line(None, "", "plain"),
    ]);
    running
}

fn seqs(list: &Value) -> Vec<u64> {
    list.as_array().unwrap().iter().map(|it| it["seq"].as_u64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_match_each_filter() {
    let running = filled().await;
    for (query, found) in [
        ("", &[3, 2, 1][..]),
        ("q=NIGHTLY", &[3]),
        ("q=declined", &[1]),
        ("q=%C3%A4pfel", &[1]),
        ("q=select", &[1]),
        ("q=nowhere", &[]),
        ("q=00000000000000000000000000000002", &[2]),
        ("service=payments", &[1]),
        ("instance=one", &[1]),
        ("route=/ping", &[2]),
        ("status=5xx", &[1]),
        ("attr=rows", &[1]),
        ("attr=rows:7", &[1]),
        ("attr=rows:8", &[]),
        ("attr=rows:7&attr=http.route:/orders/{id}", &[1]),
        ("error=true", &[1]),
        ("error=false", &[3, 2]),
        ("min_ms=50", &[1]),
        ("max_ms=50", &[3, 2]),
        ("from_ms=2000", &[3, 2]),
        ("to_ms=2000", &[1]),
        ("before=3", &[2, 1]),
        ("before=3&limit=1", &[2]),
        ("q=&service=&error=&attr=", &[3, 2, 1]),
    ] {
        let answer = get(running.api(), &format!("/api/requests?{query}"));
        assert_eq!(answer.status, 200, "{query}");
        assert_eq!(seqs(&answer.json()), found, "{query}");
    }
    for bad in ["error=maybe", "min_ms=x", "before=-1", "attr=:x", "wish=1", "limit=0"] {
        let answer = get(running.api(), &format!("/api/requests?{bad}"));
        assert_eq!(answer.status, 400, "{bad}");
        assert!(answer.json()["error"].is_string());
    }
    let first = &get(running.api(), "/api/requests?limit=1&before=2").json()[0];
    assert_eq!(first["method"], "POST");
    assert_eq!(first["instance"], "one");
    assert_eq!(first["start_unix_ms"], 1_000.0);
    assert_eq!(
        (&first["spans"], &first["logs"], &first["errors"]),
        (&json!(2), &json!(2), &json!(0))
    );
    let document = get(running.api(), "/api/requests/00000000000000000000000000000001").json();
    assert_eq!(document["spans"][0]["service.instance.id"], "one");
    assert_eq!(document["spans"][0]["duration_ms"], 80.0);
    assert_eq!(document["spans"][0]["start_unix_ms"], 1_000.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_match_each_filter() {
    let running = filled().await;
    for (query, found) in [
        ("", &[1, 2, 3, 4][..]),
        ("level=warn", &[1, 3]),
        ("level=info", &[1, 3, 4]),
        ("q=DECLINED", &[1]),
        ("q=items", &[1, 2, 3, 4]),
        ("trace_id=00000000000000000000000000000001", &[1, 2]),
        ("service=other", &[]),
        ("instance=one&attr=rows:3", &[1, 2, 3, 4]),
        ("attr=table:items", &[]),
        ("from_ms=2001", &[]),
        ("to_ms=2000", &[1, 2, 3, 4]),
        ("before=3", &[1, 2]),
        ("before=3&limit=1", &[2]),
        ("after=2", &[3, 4]),
        ("after=1&limit=2", &[2, 3]),
    ] {
        let answer = get(running.api(), &format!("/api/logs?{query}"));
        assert_eq!(answer.status, 200, "{query}");
        assert_eq!(seqs(&answer.json()["lines"]), found, "{query}");
    }
    let page = get(running.api(), "/api/logs?after=1&limit=2").json();
    assert_eq!((&page["matched_more"], &page["evicted"]), (&json!(true), &json!(0)));
    assert_eq!((&page["oldest_seq"], &page["newest_seq"]), (&json!(1), &json!(4)));
    assert_eq!(page["lines"][0]["service.instance.id"], "one");
    for bad in ["level=loud", "trace_id=1", "span_id=zz", "after=x"] {
        assert_eq!(get(running.api(), &format!("/api/logs?{bad}")).status, 400, "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn paging_through_100_000_lines_misses_none() {
    let running = builder().start().await.unwrap();
    running.store().add_logs((0..100_000).map(|number| line(None, "info", &number.to_string())));
    let last = get(running.api(), "/api/logs?limit=1").json()["newest_seq"].as_u64().unwrap();
    let (mut before, mut seen) = (last + 1, 0);
    loop {
        let page = get(running.api(), &format!("/api/logs?limit=1000&before={before}")).json();
        let found = seqs(&page["lines"]);
        seen += found.len();
        match found.first() {
            Some(first) => {
                assert_eq!(found.last(), Some(&(before - 1)));
                before = *first;
            }
            None => break,
        }
    }
    let stats = get(running.api(), "/api/stats").json();
    assert_eq!(stats["stored"]["logs"].as_u64().unwrap(), seen as u64);
    assert_eq!(stats["evicted"]["logs"].as_u64().unwrap(), 100_000 - seen as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn page_needs_no_token_and_connects_only_to_own_server() {
    let running = builder().start().await.unwrap();
    let answer = support::raw(
        running.api(),
        b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
    );
    assert_eq!(answer.status, 200);
    let head = answer.head.to_ascii_lowercase();
    assert!(
        head.contains("default-src 'none'") && head.contains("frame-ancestors 'none'"),
        "{head}"
    );
    assert!(head.contains("referrer-policy: no-referrer") && head.contains("no-store"), "{head}");
    assert!(head.contains("x-content-type-options: nosniff"), "{head}");
    assert!(String::from_utf8(answer.body).unwrap().contains("/assets/main.js"));
    let script = get(running.api(), "/assets/main.js");
    assert!(script.head.contains("text/javascript"), "{}", script.head);
    assert_eq!(get(running.api(), "/assets/../Cargo.toml").status, 404);
    assert_eq!(get(running.api(), "/api/whoami").json()["service"], "obs-console");
    let refused = support::raw(
        running.api(),
        b"GET /api/whoami HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
    );
    assert_eq!(refused.status, 401);
}
