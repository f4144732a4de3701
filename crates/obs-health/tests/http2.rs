//! HTTP/2: a stuck stream costs itself alone, a stuck peer its connection.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

mod support;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use obs_health::lifecycle::{Deadlines, Lifecycle};
use obs_health::{Health, Server, ServerLimits};
use obs_testing::peers::{Client, Clients};
use support::{total, until_closed};
use tokio::net::{TcpListener, TcpStream};
use tower::service_fn;

/// Only a test that fails takes so long.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(200);
const LARGE: usize = 8 << 20;

/// `/large` answers 8 MiB, anything else `hello`.
async fn app(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = match request.uri().path() {
        "/large" => Bytes::from(vec![b'x'; LARGE]),
        _ => Bytes::from_static(b"hello"),
    };
    let _read = request.into_body().collect().await;
    Ok(Response::new(Full::new(body)))
}

async fn serve(limits: ServerLimits) -> (SocketAddr, Lifecycle, Health) {
    let health = Health::new();
    let lifecycle = Lifecycle::new(health.clone(), Deadlines::development());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = Server::new(listener).limits(limits);
    tokio::spawn(server.serve(service_fn(app), lifecycle.clone()));
    (addr, lifecycle, health)
}

/// A client that opens a stream's window by what is read of it, and answers pings.
async fn connect(addr: SocketAddr, window: u32) -> SendRequest<Empty<Bytes>> {
    let stream = TokioIo::new(TcpStream::connect(addr).await.unwrap());
    let mut builder = Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(window).initial_connection_window_size(64 << 20);
    let (client, connection) = builder.handshake(stream).await.unwrap();
    tokio::spawn(connection);
    client
}

fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("http://localhost{path}")).body(Empty::new()).unwrap()
}

async fn read(response: Response<Incoming>) -> Result<usize, hyper::Error> {
    response.into_body().collect().await.map(|body| body.to_bytes().len())
}

async fn until(health: &Health, name: &str, count: f64) {
    while total(health, name) < count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn quick() -> ServerLimits {
    ServerLimits { write_timeout: SHORT, min_write_rate: 1_000_000, ..ServerLimits::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stream_with_closed_window_is_reset_alone() {
    // Shut from the start, and after some of the answer.
    for window in [0, 100_000] {
        let (addr, lifecycle, health) = serve(quick()).await;
        let mut client = connect(addr, window).await;
        let stuck = client.send_request(get("/large")).await.unwrap();
        until(&health, "http_server_streams_reset_total", 1.0).await;
        assert!(read(stuck).await.is_err());
        if window > 0 {
            let answer = client.send_request(get("/")).await.unwrap();
            assert_eq!(read(answer).await.unwrap(), 5);
            let answer = client.send_request(get("/large")).await.unwrap();
            assert_eq!(read(answer).await.unwrap(), LARGE);
        }
        assert_eq!(total(&health, "http_server_connections_closed_total"), 0.0);
        lifecycle.shut_down();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peer_without_ping_answer_is_closed_and_counted() {
    for client in [Client::Http2Silence, Client::Http2HalfBody] {
        let limits = ServerLimits {
            ping_interval: SHORT,
            ping_timeout: SHORT,
            write_timeout: LONG,
            ..ServerLimits::default()
        };
        let (addr, lifecycle, health) = serve(limits).await;
        let clients = Clients::connect(addr, client, 3).unwrap();
        until_closed(&health, "idle", 3.0).await;
        drop(clients);
        lifecycle.shut_down();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_peer_answering_pings_is_kept() {
    let limits =
        ServerLimits { ping_interval: SHORT / 4, ping_timeout: LONG, ..ServerLimits::default() };
    let (addr, lifecycle, health) = serve(limits).await;
    let mut client = connect(addr, 1 << 20).await;
    for _ in 0..3 {
        let answer = client.send_request(get("/")).await.unwrap();
        assert_eq!(read(answer).await.unwrap(), 5);
        tokio::time::sleep(SHORT * 2).await;
    }
    assert_eq!(total(&health, "http_server_connections_closed_total"), 0.0);
    lifecycle.shut_down();
}

/// The answer's exchange is over, its end waits in the server's HTTP/2 for the window of one byte.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_connection_with_unread_answer_is_closed() {
    let limits = ServerLimits { connection_age: SHORT * 2, ..quick() };
    let (addr, lifecycle, health) = serve(limits).await;
    let mut client = connect(addr, 1).await;
    let stuck = client.send_request(get("/")).await.unwrap();
    until_closed(&health, "age", 1.0).await;
    drop(stuck);
    lifecycle.shut_down();
}
