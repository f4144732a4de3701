//! The probes: what they answer, to whom, and what no check can do to them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use obs_health::{Check, Health, State};
use serde_json::{Value, json};

fn ask(health: &Health, method: &str, uri: &str, accept: Option<&str>) -> Response<Bytes> {
    let mut request = Request::builder().method(method).uri(uri);
    if let Some(accept) = accept {
        request = request.header("accept", accept);
    }
    health.probe(&request.body(()).unwrap().into_parts().0).unwrap()
}

fn readyz(health: &Health) -> (u16, Value) {
    let response = ask(health, "GET", "/readyz", None);
    (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap())
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(60), "never came: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Asked often, and down at its first failure; with time enough on a busy machine.
fn quick(check: Check) -> Check {
    check
        .interval(Duration::from_millis(10))
        .timeout(Duration::from_secs(30))
        .failures_before_down(1)
}

#[tokio::test]
async fn readyz_and_healthz_have_specified_answers() {
    let health = Health::new();
    health.add(Check::new("postgres", || async { Ok::<(), io::Error>(()) })).unwrap();
    assert_eq!(readyz(&health).0, 503, "not before the first answer");
    health.start();
    until("ready", || health.state() == State::Ready).await;
    assert_eq!(readyz(&health), (200, json!({"ready": true, "checks": {"postgres": "ok"}})));
    let alive = ask(&health, "GET", "/healthz", None);
    assert_eq!(
        (alive.status(), &alive.body()[..]),
        (StatusCode::OK, br#"{"status":"ok"}"#.as_slice())
    );
}

#[tokio::test]
async fn error_text_never_reaches_probe() {
    let health = Health::new();
    let secret = "postgres://user:hunter2@db/orders";
    let failing = move || async move { Err::<(), _>(io::Error::other(secret.repeat(40_000))) };
    health.add(quick(Check::new("postgres", failing))).unwrap();
    health.start();
    until("not ready", || health.state() == State::NotReady).await;
    for uri in ["/readyz", "/readyz?verbose", "/healthz", "/startupz"] {
        let response = ask(&health, "GET", uri, None);
        let body = String::from_utf8(response.body().to_vec()).unwrap();
        assert!(!body.contains("hunter2") && body.len() < 4096, "{uri}: {body}");
    }
    assert_eq!(readyz(&health), (503, json!({"ready": false, "checks": {"postgres": "error"}})));
}

#[tokio::test]
async fn hanging_panicking_and_refused_checks_fail_alone() {
    let health = Health::new();
    let hangs = quick(Check::new("hangs", std::future::pending::<io::Result<()>>));
    health.add(hangs.timeout(Duration::from_millis(30))).unwrap();
    let panics = || -> std::future::Ready<io::Result<()>> { panic!("as a check may") };
    health.add(quick(Check::new("panics", panics))).unwrap();
    health.add(quick(Check::tcp("refused", "127.0.0.1:1"))).unwrap();
    health.add(quick(Check::new("fine", || async { Ok::<(), io::Error>(()) }))).unwrap();
    health.start();
    let all = json!({"hangs": "timeout", "panics": "panic", "refused": "refused", "fine": "ok"});
    until("all four verdicts", || readyz(&health).1["checks"] == all).await;
    assert_eq!(ask(&health, "GET", "/healthz", None).status(), StatusCode::OK);
}

/// A blocked worker may hold the runtime's timers, so the probe is asked from outside the runtime, as
/// the admin server does.
#[test]
fn check_blocking_thread_goes_stale() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.unwrap();
    let health = Health::new();
    let runs = AtomicU32::new(0);
    let blocks = move || {
        let block = runs.fetch_add(1, Ordering::SeqCst) > 0;
        async move {
            if block {
                std::thread::sleep(Duration::from_secs(3));
            }
            Ok::<(), io::Error>(())
        }
    };
    let check = Check::new("blocks", blocks).failures_before_down(100);
    health
        .add(check.interval(Duration::from_millis(50)).timeout(Duration::from_millis(30)))
        .unwrap();
    runtime.block_on(async { health.start() });
    let until = |what: &str, condition: &dyn Fn() -> bool| {
        let started = Instant::now();
        while !condition() {
            assert!(started.elapsed() < Duration::from_secs(60), "never came: {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    until("green once", &|| health.state() == State::Ready);
    until("stale", &|| {
        readyz(&health) == (503, json!({"ready": false, "checks": {"blocks": "stale"}}))
    });
    runtime.shutdown_background();
}

#[tokio::test]
async fn failures_below_threshold_keep_state_ready() {
    let health = Health::new();
    let runs = std::sync::Arc::new(AtomicU32::new(0));
    let counted = std::sync::Arc::clone(&runs);
    let flapping = move || {
        let run = counted.fetch_add(1, Ordering::SeqCst);
        async move { if run % 2 == 1 { Err(io::Error::other("every second time")) } else { Ok(()) } }
    };
    let check = Check::new("flaps", flapping).interval(Duration::from_millis(10));
    health.add(check.failures_before_down(2)).unwrap();
    health.start();
    until("some runs", || runs.load(Ordering::SeqCst) > 10).await;
    assert_eq!(health.state(), State::Ready, "one failure at a time is below the threshold");
}

#[tokio::test]
async fn failed_informational_check_degrades_only() {
    let health = Health::new();
    let failing = || async { Err::<(), _>(io::Error::other("no cache")) };
    health.add(quick(Check::new("cache", failing)).informational()).unwrap();
    health.start();
    until("degraded", || health.state() == State::Degraded).await;
    let (status, body) = readyz(&health);
    assert_eq!((status, &body["state"]), (200, &json!("degraded")));
    let standard = ask(&health, "GET", "/readyz", Some("application/health+json"));
    let body: Value = serde_json::from_slice(standard.body()).unwrap();
    assert_eq!(body["status"], "warn");
    assert_eq!(standard.headers()["content-type"], "application/health+json");
}

#[test]
fn startup_latch_delays_readiness() {
    let health = Health::new();
    let latch = health.startup_latch("cache-warm").unwrap();
    assert_eq!(health.state(), State::Starting);
    assert_eq!(ask(&health, "GET", "/startupz", None).status(), StatusCode::SERVICE_UNAVAILABLE);
    latch.done();
    assert_eq!(health.state(), State::Ready);
    assert_eq!(ask(&health, "GET", "/startupz", None).status(), StatusCode::OK);
}

#[test]
fn draining_readyz_answers_503_with_state() {
    let health = Health::new();
    health.drain();
    assert_eq!(readyz(&health), (503, json!({"ready": false, "checks": {}, "state": "draining"})));
    assert_eq!(ask(&health, "GET", "/healthz", None).status(), StatusCode::OK);
}

#[test]
fn probes_accept_get_and_head_and_forbid_caching() {
    let health = Health::new();
    let head = ask(&health, "HEAD", "/healthz", None);
    assert_eq!((head.status(), head.body().len()), (StatusCode::OK, 0));
    assert_eq!(head.headers()["content-length"], "15");
    assert_eq!(head.headers()["cache-control"], "no-store");
    let post = ask(&health, "POST", "/readyz", None);
    assert_eq!(post.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(post.headers()["allow"], "GET, HEAD");
    let other = Request::builder().uri("/other").body(()).unwrap().into_parts().0;
    assert!(health.probe(&other).is_none());
}

#[test]
fn check_names_are_validated_and_unique() {
    let health = Health::new();
    let check = |name: &str| Check::new(name, || async { Ok::<(), io::Error>(()) });
    health.add(check("db")).unwrap();
    let taken = health.add(check("db")).unwrap_err().to_string();
    assert_eq!(taken, "check \"db\" exists already: give each its own name");
    let bad = health.add(check("DB\n")).unwrap_err().to_string();
    assert_eq!(bad, "check \"DB\\n\" has no usable name: use 1 to 64 of [a-z0-9_.-]");
}

#[test]
fn checks_outside_runtime_stay_starting() {
    let health = Health::new();
    health.add(Check::new("db", || async { Ok::<(), io::Error>(()) })).unwrap();
    health.start();
    assert_eq!(health.state(), State::Starting);
}

#[tokio::test]
async fn answer_of_sixty_checks_stays_under_4_kib() {
    let health = Health::new();
    for number in 0..60 {
        let name = format!("{number}{}", "x".repeat(62));
        let failing = || async { Err::<(), _>(io::Error::other("down")) };
        health.add(quick(Check::new(name, failing))).unwrap();
    }
    health.start();
    until("down", || health.state() == State::NotReady).await;
    for (uri, accept) in
        [("/readyz", None), ("/readyz?verbose", None), ("/readyz", Some("application/health+json"))]
    {
        let size = ask(&health, "GET", uri, accept).body().len();
        assert!(size < 4096, "{uri}: {size} bytes");
    }
}

#[tokio::test]
async fn health_metrics_have_readiness_status_and_failures() {
    let health = Health::new();
    health.add(quick(Check::tcp("refused", "127.0.0.1:1"))).unwrap();
    health.start();
    until("down", || health.state() == State::NotReady).await;
    let mut seen = Vec::new();
    health.source().collect(&mut |sample| {
        seen.push((sample.name, format!("{:?}", sample.labels), sample.value));
    });
    assert!(seen.contains(&("health_ready", "[]".into(), 0.0)), "{seen:?}");
    assert!(seen.contains(&("health_check_status", "[(\"check\", \"refused\")]".into(), 0.0)));
    let refused = "[(\"check\", \"refused\"), (\"kind\", \"refused\")]";
    assert!(seen.iter().any(|(name, labels, value)| {
        *name == "health_check_failures_total" && labels == refused && *value >= 1.0
    }));
}
