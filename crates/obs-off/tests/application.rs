//! The same application with telemetry (`cargo test -p obs-off --features on`) and without (`cargo test -p obs-off`).

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use obs_off::telemetry::{NUMBERS, ORDERS, REQUESTS, application, init};
use tokio::net::TcpListener;
use tower::ServiceExt;

const IS_ON: bool = cfg!(feature = "on");

async fn ask(app: &axum::Router, path: &str) -> Response<Body> {
    let request = Request::get(path).body(Body::empty()).unwrap();
    app.clone().oneshot(request).await.unwrap()
}

/// Blocks, as a probe from outside does.
fn get(addr: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Names of the process's threads.
fn threads() -> Vec<String> {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return Vec::new() };
    let names = tasks.flatten().map(|task| std::fs::read_to_string(task.path().join("comm")));
    names.flatten().map(|name| name.trim().to_owned()).collect()
}

/// One test: the process has one `init`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn service_answers_and_stops_alike_with_telemetry_and_without() {
    assert_eq!(obs_all::HAS_TELEMETRY, IS_ON, "build this package alone: cargo test -p obs-off");
    let folder = std::env::temp_dir().join(format!("obs-off-{}", std::process::id()));
    let log = folder.with_extension("log");
    let obs = init(log.to_str().unwrap()).unwrap();
    let admin = obs.admin_addr().unwrap();
    let app = application(&obs);

    let found = ask(&app, "/orders/7").await;
    assert_eq!(found.status(), StatusCode::OK);
    assert_eq!(found.headers().contains_key("x-request-id"), IS_ON);
    assert_eq!(found.into_body().collect().await.unwrap().to_bytes(), "order 7");
    assert_eq!(ask(&app, "/orders/0").await.status(), StatusCode::NOT_FOUND);

    assert_eq!(tracing::dispatcher::has_been_set(), IS_ON);
    assert_eq!(REQUESTS.value(), if IS_ON { 2 } else { 0 });
    assert_eq!(NUMBERS.count(), if IS_ON { 2 } else { 0 });
    assert_eq!(ORDERS.with(["yes"]).value(), u64::from(IS_ON));
    let scrape = get(admin, "/metrics");
    assert_eq!(scrape.contains("orders_total{found=\"no\"} 1"), IS_ON, "{scrape}");
    assert!(!scrape.contains("otel_metric_overflow"), "{scrape}");
    let writers = threads().iter().filter(|name| name.starts_with("obs-log")).count();
    assert_eq!(writers > 0, IS_ON, "{:?}", threads());

    // Probes, server and shutdown are no telemetry.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let lifecycle = obs.lifecycle().clone();
    let served = tokio::spawn(obs.serve(listener, app));
    let answers = tokio::task::spawn_blocking(move || {
        let order = get(addr, "/orders/12");
        (order, get(admin, "/healthz"), get(admin, "/readyz"))
    });
    let (order, healthy, ready) = answers.await.unwrap();
    assert!(order.starts_with("HTTP/1.1 200") && order.ends_with("order 12"), "{order}");
    assert!(healthy.starts_with("HTTP/1.1 200") && ready.starts_with("HTTP/1.1 200"), "{ready}");
    lifecycle.shut_down();
    let report = tokio::time::timeout(Duration::from_secs(60), served).await.unwrap().unwrap();
    assert!(report.is_ok());
    let lines = std::fs::read_to_string(&log).unwrap_or_default();
    assert_eq!(lines.contains("order found"), IS_ON);
    assert_eq!(lines.is_empty(), !IS_ON, "{lines}");
    let _ = std::fs::remove_file(&log);
}
