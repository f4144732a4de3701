//! The shutdown: nothing that was accepted is lost, and nothing can hold it past its deadlines.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use obs_health::lifecycle::{Deadlines, FlushStage, Flushed, Lifecycle, ShutdownReport, Stage};
use obs_health::{Health, Server, State};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tower::service_fn;

/// Only a test that fails takes so long.
const LONG: Duration = Duration::from_secs(60);

/// After this time a request to shut down is another one.
const ANOTHER_REQUEST: Duration = Duration::from_millis(1_100);

fn deadlines() -> Deadlines {
    let mut deadlines = Deadlines::development();
    for deadline in [
        &mut deadlines.requests,
        &mut deadlines.tasks,
        &mut deadlines.resources,
        &mut deadlines.traces,
        &mut deadlines.metrics,
        &mut deadlines.logs,
    ] {
        *deadline = LONG;
    }
    deadlines
}

type Serving = JoinHandle<ShutdownReport>;

/// A server that answers at once.
async fn serve(lifecycle: &Lifecycle) -> (SocketAddr, Serving) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let app = service_fn(|_: Request<Incoming>| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"done"))))
    });
    (addr, tokio::spawn(Server::new(listener).serve(app, lifecycle.clone())))
}

/// A server that never answers, with a request that its handler has got.
async fn serve_one_for_ever(lifecycle: &Lifecycle) -> (Serving, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let has_begun = Arc::new(Notify::new());
    let begun = Arc::clone(&has_begun);
    let app = service_fn(move |_: Request<Incoming>| {
        begun.notify_one();
        std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>()
    });
    let server = tokio::spawn(Server::new(listener).serve(app, lifecycle.clone()));
    let waiting = tokio::spawn(request(addr));
    has_begun.notified().await;
    (server, waiting)
}

async fn request(addr: SocketAddr) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    let mut answer = vec![0; 1024];
    let mut length = 0;
    while !answer[..length].ends_with(b"done") {
        let read = stream.read(&mut answer[length..]).await.unwrap_or(0);
        if read == 0 {
            break;
        }
        length += read;
    }
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

#[tokio::test]
async fn requests_in_flight_at_shutdown_are_answered() {
    let health = Health::new();
    let lifecycle = Lifecycle::new(health.clone(), deadlines());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (begun, may_end) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (counter, gate) = (Arc::clone(&begun), Arc::clone(&may_end));
    let app = service_fn(move |_: Request<Incoming>| {
        let end = Arc::clone(&gate).notified_owned();
        counter.fetch_add(1, Ordering::SeqCst);
        async move {
            end.await;
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"done"))))
        }
    });
    let server = tokio::spawn(Server::new(listener).serve(app, lifecycle.clone()));
    let requests: Vec<_> = (0..200).map(|_| tokio::spawn(request(addr))).collect();
    while begun.load(Ordering::SeqCst) < 200 {
        tokio::task::yield_now().await;
    }
    lifecycle.shut_down();
    while TcpStream::connect(addr).await.is_ok() {
        tokio::task::yield_now().await;
    }
    may_end.notify_waiters();
    let mut answered = 0;
    for request in requests {
        answered += usize::from(request.await.unwrap().ends_with("done"));
    }
    let report = server.await.unwrap();
    assert_eq!(answered, 200);
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.stage(Stage::Requests).unwrap().lost, 0);
    assert_eq!(health.state(), State::Stopped);
}

#[tokio::test]
async fn draining_listener_still_accepts_requests() {
    let health = Health::new();
    let mut deadlines = deadlines();
    deadlines.propagation = LONG;
    let lifecycle = Lifecycle::new(health.clone(), deadlines);
    let (addr, server) = serve(&lifecycle).await;
    assert!(request(addr).await.starts_with("HTTP/1.1 200"));
    lifecycle.shut_down();
    while health.state() != State::Draining {
        tokio::task::yield_now().await;
    }
    let answer = request(addr).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    tokio::time::sleep(ANOTHER_REQUEST).await;
    lifecycle.shut_down(); // does not wait for the rest of it
    server.await.unwrap();
    assert!(TcpStream::connect(addr).await.is_err(), "the listener closed");
}

#[tokio::test]
async fn shutdown_waits_for_propagation() {
    let mut deadlines = deadlines();
    deadlines.propagation = Duration::from_millis(300);
    let lifecycle = Lifecycle::new(Health::new(), deadlines);
    let (addr, server) = serve(&lifecycle).await;
    assert!(request(addr).await.starts_with("HTTP/1.1 200"), "it is up");
    lifecycle.shut_down();
    let report = server.await.unwrap();
    assert!(report.stage(Stage::Propagation).unwrap().took >= Duration::from_millis(300));
}

#[tokio::test]
async fn silent_half_open_and_idle_connections_do_not_delay_shutdown() {
    let lifecycle = Lifecycle::new(Health::new(), deadlines());
    let (addr, server) = serve(&lifecycle).await;
    let silent = TcpStream::connect(addr).await.unwrap();
    let mut slow = TcpStream::connect(addr).await.unwrap();
    slow.write_all(b"GET / HTT").await.unwrap();
    let mut idle = TcpStream::connect(addr).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    let mut some = [0; 16];
    assert!(idle.read(&mut some).await.unwrap() > 0);
    tokio::time::sleep(Duration::from_millis(50)).await;
    lifecycle.shut_down();
    let report = server.await.unwrap();
    assert!(report.is_clean(), "{report}");
    let took = report.stage(Stage::Requests).unwrap().took;
    assert!(took < deadlines().requests / 2, "they held it towards its deadline: {took:?}");
    drop((silent, slow, idle));
}

#[tokio::test]
async fn request_past_deadline_is_aborted_and_counted() {
    let mut deadlines = deadlines();
    deadlines.requests = Duration::from_millis(100);
    let lifecycle = Lifecycle::new(Health::new(), deadlines);
    let (server, waiting) = serve_one_for_ever(&lifecycle).await;
    lifecycle.shut_down();
    let report = server.await.unwrap();
    assert_eq!(report.stage(Stage::Requests).unwrap().lost, 1, "{report}");
    assert!(!report.is_clean());
    assert_eq!(waiting.await.unwrap(), "");
}

#[tokio::test]
async fn stages_run_in_order_and_closers_in_reverse() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let lifecycle = Lifecycle::new(Health::new(), deadlines());
    for stage in [FlushStage::Logs, FlushStage::Metrics, FlushStage::Traces] {
        let order = Arc::clone(&order);
        lifecycle.on_flush(stage, move |_| {
            order.lock().unwrap().push(Stage::from(stage).as_str());
            Flushed { delivered: 5, lost: u64::from(stage == FlushStage::Traces) }
        });
    }
    for name in ["first pool", "second pool"] {
        let order = Arc::clone(&order);
        lifecycle.on_close(name, move || async move { order.lock().unwrap().push(name) });
    }
    let (ended, tasks_end) = (Arc::clone(&order), lifecycle.tasks_end());
    lifecycle.spawn(async move {
        tasks_end.cancelled().await;
        ended.lock().unwrap().push("task");
    });
    lifecycle.shut_down();
    let report = lifecycle.run().await;
    let order = order.lock().unwrap().join(", ");
    assert_eq!(order, "task, second pool, first pool, traces, metrics, logs");
    assert_eq!((report.lost(), report.stage(Stage::Traces).unwrap().lost), (1, 1));
}

#[tokio::test]
async fn panics_and_hangs_in_stages_do_not_stop_shutdown() {
    let mut deadlines = deadlines();
    deadlines.resources = Duration::from_millis(100);
    deadlines.tasks = Duration::from_millis(100);
    deadlines.metrics = Duration::from_millis(50);
    let lifecycle = Lifecycle::new(Health::new(), deadlines);
    let reached = Arc::new(AtomicBool::new(false));
    let last = Arc::clone(&reached);
    lifecycle.on_close("hangs", std::future::pending);
    lifecycle.on_close("panics", || async { panic!("as a closer may") });
    lifecycle.on_flush(FlushStage::Traces, |_| panic!("as a flush may"));
    lifecycle.on_flush(FlushStage::Metrics, |_| {
        std::thread::sleep(Duration::from_millis(800));
        Flushed::default()
    });
    lifecycle.on_flush(FlushStage::Logs, move |_| {
        last.store(true, Ordering::SeqCst);
        Flushed::default()
    });
    lifecycle.spawn(std::future::pending());
    lifecycle.shut_down();
    let report = lifecycle.run().await;
    assert!(reached.load(Ordering::SeqCst), "the last stage was reached");
    assert_eq!(report.stage(Stage::Resources).unwrap().lost, 2, "{report}");
    assert_eq!(report.stage(Stage::Tasks).unwrap().lost, 1, "{report}");
    assert!(!report.stage(Stage::Traces).unwrap().complete, "{report}");
    assert!(!report.stage(Stage::Metrics).unwrap().complete, "{report}");
    assert!(!report.is_clean());
}

#[tokio::test]
async fn second_shut_down_after_moment_skips_to_flushes() {
    let mut deadlines = deadlines();
    deadlines.propagation = Duration::from_secs(600);
    deadlines.requests = Duration::from_secs(600);
    let lifecycle = Lifecycle::new(Health::new(), deadlines);
    let (server, _waiting) = serve_one_for_ever(&lifecycle).await;
    let flushes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&flushes);
    lifecycle.on_flush(FlushStage::Traces, move |deadline| {
        assert!(deadline <= Duration::from_secs(1));
        counted.fetch_add(1, Ordering::SeqCst);
        Flushed::default()
    });
    let started = Instant::now();
    lifecycle.shut_down();
    tokio::time::sleep(ANOTHER_REQUEST).await;
    lifecycle.shut_down();
    let report = server.await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(300), "{report}");
    assert_eq!(report.stage(Stage::Requests).unwrap().lost, 1, "{report}");
    assert_eq!(flushes.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn second_shut_down_within_moment_is_same_request() {
    let mut deadlines = deadlines();
    deadlines.propagation = Duration::from_millis(200);
    let lifecycle = Lifecycle::new(Health::new(), deadlines);
    let (addr, server) = serve(&lifecycle).await;
    assert!(request(addr).await.starts_with("HTTP/1.1 200"), "it is up");
    let noticed = [(); 3].map(|()| {
        let lifecycle = lifecycle.clone();
        tokio::spawn(async move { lifecycle.shut_down() })
    });
    for one in noticed {
        one.await.unwrap();
    }
    let report = server.await.unwrap();
    assert!(report.stage(Stage::Propagation).unwrap().took >= Duration::from_millis(200));
    assert!(report.is_clean(), "{report}");
}

#[test]
fn default_deadlines_fit_grace_period() {
    assert!(Deadlines::production().total() <= Deadlines::production().grace_period);
    assert_eq!(Deadlines::development().propagation, Duration::ZERO);
}
