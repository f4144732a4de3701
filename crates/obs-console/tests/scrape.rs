//! Looking at services that answer, hang, lie and are not there; and not seeing oneself.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

mod support;

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use obs_console::{Filter, LogLine, Running, Target};
use obs_context::{SpanId, TraceId};
use serde_json::{Value, json};
use support::{Admin, authorized_post, builder, get, span};

async fn start(admins: &[(&str, &str)]) -> Running {
    let targets = admins.iter().map(|(name, url)| Target::new(name, url).unwrap());
    // Only the looks that the test asks for, after the first.
    builder().scrape(targets).scrape_interval(Duration::from_secs(3_600)).start().await.unwrap()
}

fn scrape(running: &Running) -> Value {
    let answer = authorized_post(running.api(), "/api/scrape", b"");
    assert_eq!(answer.status, 200);
    answer.json()["services"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn scrape_of_broken_service_reports_error() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let silent_url = format!("http://{}", silent.local_addr().unwrap());
    let well = Admin::start("up 1\nnonsense\n# EOF\n");
    let sick = Admin::start("");
    *sick.ready.lock().unwrap() = (503, r#"{"ready":false,"checks":{"db":"timeout"}}"#.into());
    let lost_url = format!("{}/elsewhere", well.url());
    let running = start(&[
        ("a-gone", "http://127.0.0.1:1"),
        ("b-lost", &lost_url),
        ("c-sick", &sick.url()),
        ("d-silent", &silent_url),
        ("e-well", &well.url()),
    ])
    .await;
    let mut services = scrape(&running);
    let states = |services: &Value| -> Vec<_> {
        let is = |at: usize, what: &str| services[at][what] == true;
        (0..5).map(|at| (is(at, "ready"), is(at, "live"))).collect()
    };
    let expected = [(false, false), (false, false), (false, true), (false, false), (true, true)];
    // On a busy machine those that answer may take longer than the 2 s, too.
    let begun = Instant::now();
    while (states(&services) != expected || services[1]["error"] != "/metrics answered 404")
        && begun.elapsed() < Duration::from_secs(120)
    {
        services = scrape(&running);
    }
    let error = |at: usize| services[at]["error"].as_str().unwrap_or_default().to_owned();
    assert!(error(0).contains("refused"), "{services}");
    assert_eq!(error(1), "/metrics answered 404");
    assert_eq!(error(2), "");
    assert_eq!(error(3), "/metrics: no answer within 2 s");
    assert_eq!((&services[4]["samples"], &services[4]["bad_lines"]), (&json!(1), &json!(1)));
    assert_eq!(states(&services), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn document_has_health_at_end_of_request() {
    let admin = Admin::start("");
    let running = start(&[("orders", &admin.url())]).await;
    scrape(&running);
    let first = now();
    *admin.ready.lock().unwrap() = (503, r#"{"ready":false,"checks":{"db":"timeout"}}"#.into());
    scrape(&running);
    let mut early = span(1, 1);
    early.start_unix_nanos = first;
    let mut late = span(2, 1);
    late.start_unix_nanos = now();
    running.store().add_spans([early, late]);
    let ready = |trace: &str| {
        get(running.api(), &format!("/api/requests/{trace:0>32}")).json()["health"][0].clone()
    };
    assert_eq!((&ready("1")["ready"], &ready("1")["checks"]), (&json!(true), &json!({"db": "ok"})));
    assert_eq!((&ready("2")["ready"], &ready("2")["live"]), (&json!(false), &json!(true)));
    assert_eq!(ready("2")["checks"], json!({"db": "timeout"}));
}

fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn own_requests_of_console_are_hidden() {
    let admin = Admin::start("");
    let running = start(&[("orders", &admin.url())]).await;
    scrape(&running);
    let head = admin.heads.lock().unwrap().first().unwrap().to_lowercase();
    let header = |name: &str| {
        let line = head.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_once(": ").unwrap().1.to_owned()
    };
    let traceparent = header("traceparent");
    assert!(traceparent.ends_with("-00"), "asks not to be recorded: {traceparent}");
    assert!(
        header("accept").starts_with("application/openmetrics-text; version=1.0.0")
            || !head.contains("/metrics")
    );

    // A service that records and logs the look nevertheless.
    let trace_id: TraceId = traceparent[3..35].parse().unwrap();
    let parent: SpanId = traceparent[36..52].parse().unwrap();
    let mut of_console = span(trace_id.get(), 5);
    of_console.parent_span_id = Some(parent);
    let line = |trace_id, request_id: Option<String>| LogLine {
        service: "orders".into(),
        instance: None,
        unix_nanos: 1,
        level: "info".into(),
        event: "GET /metrics".into(),
        target: "".into(),
        trace_id,
        span_id: None,
        request_id: request_id.map(Into::into),
        fields: Default::default(),
    };
    running.store().add_spans([of_console]);
    running
        .store()
        .add_logs([line(Some(trace_id), None), line(None, Some(header("x-request-id")))]);
    let stats = running.store().stats();
    assert_eq!((stats.stored.spans, stats.stored.logs, stats.received.own), (0, 0, 3));
    assert_eq!(running.store().requests(&Filter::default()), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn services_are_scraped_at_interval() {
    let admin = Admin::start("up 1\n");
    let target = Target::new("orders", &admin.url()).unwrap();
    let every = Duration::from_millis(100);
    let running = builder().scrape([target]).scrape_interval(every).start().await.unwrap();
    let looks =
        || admin.heads.lock().unwrap().iter().filter(|head| head.contains("/metrics")).count();
    while looks() < 3 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    running.shutdown().await;
    let after = looks();
    tokio::time::sleep(every * 10).await;
    assert!(looks() <= after + 1, "none after the shutdown but one that was under way");
}

#[test]
fn invalid_targets_are_rejected_with_remedy() {
    for (bad, remedy) in [
        ("orders", "NAME=URL"),
        ("=http://127.0.0.1:1", "a name"),
        ("orders=", "http://127.0.0.1:9464"),
        ("orders=not a url", "http://127.0.0.1:9464"),
        ("orders=https://127.0.0.1:1", "http://"),
        ("orders=/metrics", "http://"),
        ("orders=http://127.0.0.1:65536", "a port"),
    ] {
        let error = bad.parse::<Target>().unwrap_err().to_string();
        assert!(error.contains(remedy), "{bad}: {error}");
    }
}
