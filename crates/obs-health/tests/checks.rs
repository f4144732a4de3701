//! Groups, checks taken out, checks on demand, and the ready-made ones.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, request};
use http_body_util::{BodyExt, Full};
use obs_health::{Check, Health, PoolExhausted, State};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tower::{Layer, ServiceExt, service_fn};

mod support;

fn head(uri: &str) -> request::Parts {
    Request::builder().uri(uri).body(()).unwrap().into_parts().0
}

async fn ask(health: &Health, uri: &str) -> (u16, Value) {
    let answer = health.answer(&head(uri)).await.unwrap();
    (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap())
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(60), "never came: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn fine(name: &str) -> Check {
    Check::new(name, || async { Ok::<(), io::Error>(()) })
}

fn down(name: &str) -> Check {
    Check::new(name, || async { Err::<(), _>(io::Error::other("down")) })
}

/// The word that `/readyz` has for a check once it has run.
async fn word(check: Check) -> String {
    let health = Health::new();
    health.add(check.timeout(Duration::from_secs(30))).unwrap();
    health.start();
    until("an answer", || health.state() != State::Starting).await;
    let (_, body) = ask(&health, "/readyz").await;
    body["checks"].as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned()
}

#[tokio::test]
async fn group_answers_for_own_checks_alone() {
    let health = Health::new();
    for check in [fine("postgres"), fine("redis"), down("search")] {
        health.add(check).unwrap();
    }
    health.group("traffic", ["postgres", "redis"]).unwrap();
    health.group("batch", ["postgres", "search"]).unwrap();
    health.start();
    until("answers", || health.state() == State::NotReady).await;
    let ok = json!({"ready": true, "checks": {"postgres": "ok", "redis": "ok"}});
    until("both are up", || {
        let answer = health.probe(&head("/readyz?group=traffic")).unwrap();
        serde_json::from_slice::<Value>(answer.body()).unwrap() == ok
    })
    .await;
    assert_eq!(ask(&health, "/readyz?verbose&group=batch").await.0, 503);
    assert_eq!(ask(&health, "/readyz?group=none").await, (404, json!({"error": "no such group"})));
    health.drain();
    assert_eq!(ask(&health, "/readyz?group=traffic").await.0, 503);
}

#[test]
fn unknown_check_in_group_is_error() {
    let health = Health::new();
    health.add(fine("postgres")).unwrap();
    let error = health.group("traffic", ["postgres", "redsi"]).unwrap_err().to_string();
    assert!(error.contains("redsi") && error.contains("there are: postgres"), "{error}");
    health.group("traffic", ["postgres"]).unwrap();
    assert!(health.group("traffic", ["postgres"]).unwrap_err().to_string().contains("exists"));
    assert!(health.group("a b", ["postgres"]).is_err());
}

#[tokio::test]
async fn disabled_check_neither_runs_nor_counts() {
    let health = Health::new();
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let counting = move || {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Err::<(), _>(io::Error::other("down")) }
    };
    health.add(Check::new("redis", counting)).unwrap();
    health.add(fine("postgres")).unwrap();
    let error = health.disable(["redis", "mongo"]).unwrap_err().to_string();
    assert!(error.contains("mongo") && error.contains("redis, postgres"), "{error}");
    assert_eq!(ask(&health, "/readyz").await.1["checks"]["redis"], "pending", "none was disabled");
    health.disable(["redis"]).unwrap();
    health.start();
    until("ready", || health.state() == State::Ready).await;
    let both = json!({"postgres": "ok", "redis": "disabled"});
    assert_eq!(ask(&health, "/readyz").await, (200, json!({"ready": true, "checks": both})));
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    let mut names = Vec::new();
    health.source().collect(&mut |sample| names.push(format!("{:?}", sample.labels)));
    assert!(!names.iter().any(|labels| labels.contains("redis")), "{names:?}");
}

/// A check that counts its runs, each of 50 ms.
fn counting(runs: &Arc<AtomicU32>) -> Check {
    let runs = Arc::clone(runs);
    let check = Check::new("database", move || {
        runs.fetch_add(1, Ordering::SeqCst);
        async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Ok::<(), io::Error>(())
        }
    });
    check.timeout(Duration::from_secs(30))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probe_storm_runs_check_once_per_time_to_live() {
    let (health, runs) = (Health::new(), Arc::new(AtomicU32::new(0)));
    let time_to_live = Duration::from_millis(300);
    health.add(counting(&runs).on_demand(time_to_live)).unwrap();
    health.start();
    let started = Instant::now();
    for _ in 0..5 {
        let storm: Vec<_> = (0..300)
            .map(|_| {
                let health = health.clone();
                tokio::spawn(async move { ask(&health, "/readyz").await.0 })
            })
            .collect();
        for probe in storm {
            assert_eq!(probe.await.unwrap(), 200);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let most = started.elapsed().as_millis() / time_to_live.as_millis() + 1;
    let runs = runs.load(Ordering::SeqCst);
    assert!((2..=most as u32).contains(&runs), "1,500 probes ran it {runs} times, {most} at most");
}

#[tokio::test]
async fn on_demand_check_without_probes_does_not_run() {
    let (health, runs) = (Health::new(), Arc::new(AtomicU32::new(0)));
    health.add(counting(&runs).on_demand(Duration::from_millis(10))).unwrap();
    health.start();
    until("the first answer", || health.state() == State::Ready).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!((runs.load(Ordering::SeqCst), health.state()), (1, State::Ready));
    assert_eq!(ask(&health, "/readyz").await.0, 200);
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn hanging_on_demand_check_times_out_and_goes_down() {
    let health = Health::new();
    let hang = Arc::new(AtomicBool::new(false));
    let hangs = Arc::clone(&hang);
    let question = move || {
        let hangs = hangs.load(Ordering::SeqCst);
        async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            Ok::<(), io::Error>(())
        }
    };
    let check = Check::new("database", question).timeout(Duration::from_millis(50));
    health.add(check.on_demand(Duration::ZERO).failures_before_down(1)).unwrap();
    health.start();
    until("ready", || health.state() == State::Ready).await;
    hang.store(true, Ordering::SeqCst);
    let answer = tokio::time::timeout(Duration::from_secs(60), ask(&health, "/readyz"));
    assert_eq!(answer.await.unwrap().1["checks"]["database"], "timeout");
}

#[tokio::test]
async fn failure_kind_follows_cause() {
    assert_eq!(word(Check::tcp("a", "127.0.0.1:1")).await, "refused");
    let timed_out = || async { Err::<(), _>(io::Error::from(io::ErrorKind::TimedOut)) };
    assert_eq!(word(Check::new("a", timed_out)).await, "timeout");
    assert_eq!(word(Check::new("a", || async { Err::<(), _>(PoolExhausted) })).await, "exhausted");
}

/// Answers every connection with these bytes once it has sent something.
async fn answering(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 512]).await;
            let _ = stream.write_all(bytes).await;
        }
    });
    addr.to_string()
}

#[tokio::test]
async fn redis_check_follows_reply() {
    for (said, expected) in [
        (&b"+PONG\r\n"[..], "ok"),
        (b"-NOAUTH Authentication required.\r\n", "ok"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", "error"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "error"),
        (b"", "error"),
        (&[b'x'; 400], "error"),
    ] {
        let check = Check::redis("redis", answering(said).await);
        assert_eq!(word(check).await, expected, "{}", String::from_utf8_lossy(said));
    }
    assert_eq!(word(Check::redis("redis", "127.0.0.1:1")).await, "refused");
}

#[cfg(feature = "http-check")]
#[tokio::test]
async fn http_check_follows_status() {
    for (said, expected) in [
        (&b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"[..], "ok"),
        (b"HTTP/1.1 302 Found\r\nlocation: /login\r\ncontent-length: 0\r\n\r\n", "ok"),
        (b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", "error"),
        (b"SSH-2.0-OpenSSH\r\n", "error"),
        (b"", "error"),
    ] {
        let url = format!("http://{}/readyz?x=1", answering(said).await);
        let check = Check::http_get("search", &url).unwrap();
        assert_eq!(word(check).await, expected, "{}", String::from_utf8_lossy(said));
    }
    let refused = Check::http_get("search", "http://127.0.0.1:1").unwrap();
    assert_eq!(word(refused).await, "refused");
    for wrong in ["https://search/", "search:80", "http://", "not a url", "http://search:99999/"] {
        let error = Check::http_get("search", wrong).unwrap_err().to_string();
        assert!(error.contains("give http://host:port/path"), "{error}");
    }
}

#[tokio::test]
async fn probe_layer_answers_before_application() {
    let health = Health::new();
    let app = service_fn(|request: Request<()>| async move {
        let path = Bytes::from(request.uri().path().to_owned());
        Ok::<_, Infallible>(Response::new(Full::new(path)))
    });
    let app = health.probe_layer().layer(app);
    let asked = async |path: &str| {
        let answer = app.clone().oneshot(Request::get(path).body(()).unwrap()).await.unwrap();
        let (head, body) = answer.into_parts();
        (head.status.as_u16(), body.collect().await.unwrap().to_bytes())
    };
    assert_eq!(asked("/orders").await, (200, Bytes::from_static(b"/orders")));
    assert_eq!(asked("/healthz").await, (200, Bytes::from_static(br#"{"status":"ok"}"#)));
    health.drain();
    assert_eq!(asked("/readyz").await.0, 503);
    assert_eq!(asked("/startupz").await.0, 200);
}
