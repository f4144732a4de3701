//! Clients that are stuck never starve the application's server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use obs_health::lifecycle::{Deadlines, Lifecycle, ShutdownReport};
use obs_health::{Health, Server, ServerLimits};
use obs_testing::peers::{Client, Clients, affordable};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tower::service_fn;

mod support;

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";

async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(Bytes::from_static(b"hello"))))
}

async fn serve(
    limits: ServerLimits,
) -> (SocketAddr, Lifecycle, Health, JoinHandle<ShutdownReport>) {
    let health = Health::new();
    let lifecycle = Lifecycle::new(health.clone(), Deadlines::development());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = Server::new(listener).limits(limits);
    let server = tokio::spawn(server.serve(service_fn(hello), lifecycle.clone()));
    (addr, lifecycle, health, server)
}

async fn get(addr: SocketAddr) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(GET).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Every client that never completes a first request.
const BEFORE_A_REQUEST: [Client; 5] = [
    Client::Silent,
    Client::HalfHead,
    Client::HalfPreface,
    Client::SettingsThenSilence,
    Client::SendsHeadSlowly,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_without_first_request_is_closed_and_counted() {
    for client in BEFORE_A_REQUEST {
        let header_read_timeout = Duration::from_millis(200);
        let limits = ServerLimits { header_read_timeout, ..ServerLimits::default() };
        let (addr, lifecycle, health, server) = serve(limits).await;
        let clients = Clients::connect(addr, client, 3).unwrap();
        while clients.closed().unwrap() < 3 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Counted once the connection is gone, which its peer may see first.
        while support::total(&health, "http_server_connections_closed_total") < 3.0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        lifecycle.shut_down();
        assert!(server.await.unwrap().is_clean(), "{client:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_clients_past_connection_limit_do_not_starve_server() {
    let count = affordable(10_020, 2);
    let limits = ServerLimits {
        connections: count.saturating_sub(20),
        header_read_timeout: Duration::from_millis(500),
        ..ServerLimits::default()
    };
    let (addr, lifecycle, _, server) = serve(limits).await;
    let silent = tokio::task::spawn_blocking(move || Clients::connect(addr, Client::Silent, count));
    let silent = silent.await.unwrap().unwrap();
    let answer = get(addr).await;
    assert!(answer.ends_with("hello"), "{answer}");
    drop(silent);
    lifecycle.shut_down();
    assert!(server.await.unwrap().is_clean());
}

#[tokio::test]
async fn idle_connection_outlives_header_read_timeout() {
    let limits =
        ServerLimits { header_read_timeout: Duration::from_millis(100), ..ServerLimits::default() };
    let (addr, lifecycle, _, server) = serve(limits).await;
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"hello") {
        answer.push(stream.read_u8().await.unwrap());
    }
    tokio::time::sleep(Duration::from_millis(400)).await;
    stream.write_all(GET).await.unwrap();
    let mut second = String::new();
    stream.read_to_string(&mut second).await.unwrap();
    assert!(second.ends_with("hello"), "{second}");
    lifecycle.shut_down();
    assert!(server.await.unwrap().is_clean());
}

#[tokio::test]
async fn idle_connection_is_closed_at_idle_timeout_and_counted() {
    let limits =
        ServerLimits { idle_timeout: Duration::from_millis(200), ..ServerLimits::default() };
    let (addr, lifecycle, health, server) = serve(limits).await;
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("hello"), "{answer}");
    while support::total(&health, "http_server_connections_closed_total") < 1.0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    lifecycle.shut_down();
    assert!(server.await.unwrap().is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stuck_clients_of_each_kind_do_not_starve_server() {
    const SHORT: Duration = Duration::from_millis(300);
    for client in Client::ALL {
        let fills = matches!(client, Client::NeverReads | Client::ReadsSlowly);
        let count = if fills { 4 } else { 60 };
        let limits = ServerLimits {
            connections: count - 2,
            header_read_timeout: SHORT,
            body_read_timeout: SHORT,
            write_timeout: SHORT,
            idle_timeout: SHORT,
            ping_interval: SHORT,
            ping_timeout: SHORT,
            ..ServerLimits::default()
        };
        let (addr, lifecycle, _, server) = serve(limits).await;
        let connect = move || Clients::connect(addr, client, count);
        let clients = tokio::task::spawn_blocking(connect).await.unwrap();
        let answer = get(addr).await;
        assert!(answer.ends_with("hello"), "{client:?}: {answer}");
        drop(clients);
        lifecycle.shut_down();
        server.await.unwrap();
    }
}
