//! Several servers on one lifecycle: one shutdown, whose later stages wait for all of them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use obs_health::lifecycle::{Deadlines, FlushStage, Flushed, Lifecycle, ShutdownReport, Stage};
use obs_health::{Health, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tower::service_fn;

/// Only a test that fails takes so long.
const LONG: Duration = Duration::from_secs(60);

/// A lifecycle that counts its flushes.
fn lifecycle(requests: Duration) -> (Lifecycle, Arc<AtomicUsize>) {
    let mut deadlines = Deadlines::development();
    deadlines.requests = requests;
    deadlines.grace_period = LONG * 10;
    let lifecycle = Lifecycle::new(Health::new(), deadlines);
    let flushes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&flushes);
    lifecycle.on_flush(FlushStage::Traces, move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        Flushed { delivered: 1, lost: 0 }
    });
    (lifecycle, flushes)
}

/// Answers each request once there is a permit for it.
struct Gated {
    addr: SocketAddr,
    begun: Arc<Notify>,
    permits: Arc<Semaphore>,
    serving: JoinHandle<ShutdownReport>,
}

async fn serve(lifecycle: &Lifecycle) -> Gated {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (begun, permits) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let (begins, gate) = (Arc::clone(&begun), Arc::clone(&permits));
    let app = service_fn(move |_: Request<Incoming>| {
        let (begins, gate) = (Arc::clone(&begins), Arc::clone(&gate));
        async move {
            begins.notify_one();
            gate.acquire().await.unwrap().forget();
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"done"))))
        }
    });
    let serving = tokio::spawn(Server::new(listener).serve(app, lifecycle.clone()));
    Gated { addr, begun, permits, serving }
}

/// A request whose handler has begun.
async fn request(server: &Gated) -> JoinHandle<String> {
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    server.begun.notified().await;
    tokio::spawn(async move {
        let mut answer = String::new();
        let _aborted = stream.read_to_string(&mut answer).await;
        answer
    })
}

fn stages(report: &ShutdownReport) -> Vec<Stage> {
    report.stages.iter().map(|report| report.stage).collect()
}

const ALL: [Stage; 5] =
    [Stage::Propagation, Stage::Requests, Stage::Tasks, Stage::Resources, Stage::Traces];

#[tokio::test]
async fn flush_waits_for_requests_of_every_server() {
    let (lifecycle, flushes) = lifecycle(LONG);
    let (idle, busy) = (serve(&lifecycle).await, serve(&lifecycle).await);
    let answer = request(&busy).await;
    lifecycle.shut_down();
    // Time enough for the idle server to go ahead, if anything lets it.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(flushes.load(Ordering::SeqCst), 0, "a server has a request still");
    assert!(!idle.serving.is_finished());
    busy.permits.add_permits(1);
    assert!(answer.await.unwrap().ends_with("done"));
    let (first, second) = (idle.serving.await.unwrap(), busy.serving.await.unwrap());
    assert_eq!(flushes.load(Ordering::SeqCst), 1);
    assert_eq!(first, second, "one shutdown has one report");
    assert_eq!(stages(&first), ALL);
    let requests = first.stage(Stage::Requests).unwrap();
    assert_eq!((requests.finished, requests.lost), (1, 0));
}

#[tokio::test]
async fn requests_past_deadline_are_counted_once() {
    let (lifecycle, flushes) = lifecycle(Duration::from_millis(300));
    let (one, other) = (serve(&lifecycle).await, serve(&lifecycle).await);
    let answers = [request(&one).await, request(&other).await, request(&other).await];
    lifecycle.shut_down();
    let (first, second) = (one.serving.await.unwrap(), other.serving.await.unwrap());
    for answer in answers {
        assert_eq!(answer.await.unwrap(), "", "aborted");
    }
    assert_eq!(first, second);
    let requests = first.stage(Stage::Requests).unwrap();
    assert_eq!((requests.finished, requests.lost), (0, 3));
    assert_eq!(flushes.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn dropped_server_does_not_delay_others() {
    let (lifecycle, flushes) = lifecycle(LONG);
    let (kept, dropped) = (serve(&lifecycle).await, serve(&lifecycle).await);
    let answer = request(&kept).await;
    dropped.serving.abort();
    assert!(dropped.serving.await.is_err());
    lifecycle.shut_down();
    kept.permits.add_permits(1);
    assert!(answer.await.unwrap().ends_with("done"));
    let report = kept.serving.await.unwrap();
    assert_eq!(stages(&report), ALL);
    assert_eq!(flushes.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn run_beside_server_shares_shutdown() {
    let (lifecycle, flushes) = lifecycle(LONG);
    let server = serve(&lifecycle).await;
    let answer = request(&server).await;
    let running = tokio::spawn(lifecycle.clone().run());
    tokio::task::yield_now().await;
    lifecycle.shut_down();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(flushes.load(Ordering::SeqCst), 0, "the server has a request still");
    server.permits.add_permits(1);
    assert!(answer.await.unwrap().ends_with("done"));
    assert_eq!(running.await.unwrap(), server.serving.await.unwrap());
    assert_eq!(flushes.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn server_after_shutdown_ends_at_once_with_same_report() {
    let (lifecycle, flushes) = lifecycle(LONG);
    let first = serve(&lifecycle).await;
    lifecycle.shut_down();
    let first = first.serving.await.unwrap();
    let second = serve(&lifecycle).await.serving.await.unwrap();
    assert_eq!(first, second);
    assert_eq!(flushes.load(Ordering::SeqCst), 1);
}
