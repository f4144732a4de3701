//! A connection's peer must go on: with a head, a body, the reading of an answer.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use obs_health::lifecycle::{Deadlines, Lifecycle, ShutdownReport};
use obs_health::{Health, Server, ServerLimits};
use obs_testing::peers::{Client, Clients};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tower::service_fn;

/// Only a test that fails takes so long.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(200);
const KEPT: &[u8] = b"GET / HTTP/1.1\r\nhost: test\r\n\r\n";

fn long() -> ServerLimits {
    ServerLimits {
        header_read_timeout: LONG,
        body_read_timeout: LONG,
        write_timeout: LONG,
        idle_timeout: LONG,
        ..ServerLimits::default()
    }
}

/// `/` answers with the body's length, `/slow` after a while, `/large` with 32 MiB, `/upgrade` echoes.
async fn app(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    if path == "/upgrade" {
        tokio::spawn(async move {
            let upgraded = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
            let (mut read, mut write) = tokio::io::split(upgraded);
            let _ended = tokio::io::copy(&mut read, &mut write).await;
        });
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert(header::CONNECTION, "upgrade".parse().unwrap());
        response.headers_mut().insert(header::UPGRADE, "echo".parse().unwrap());
        return Ok(response);
    }
    let body = request.into_body().collect().await.map(|body| body.to_bytes().len());
    let answer = match path.as_str() {
        "/large" => Bytes::from(vec![b'x'; 32 << 20]),
        "/slow" => {
            tokio::time::sleep(SHORT * 3).await;
            Bytes::from(format!("slow {};", body.unwrap_or_default()))
        }
        _ => Bytes::from(format!("read {};", body.unwrap_or_default())),
    };
    Ok(Response::new(Full::new(answer)))
}

struct Serving {
    addr: SocketAddr,
    health: Health,
    lifecycle: Lifecycle,
    server: JoinHandle<ShutdownReport>,
}

impl Serving {
    async fn start(limits: ServerLimits) -> Self {
        let health = Health::new();
        let lifecycle = Lifecycle::new(health.clone(), Deadlines::development());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let server = Server::new(listener).limits(limits);
        let server = tokio::spawn(server.serve(service_fn(app), lifecycle.clone()));
        Self { addr, health, lifecycle, server }
    }

    fn closed(&self, reason: &str) -> f64 {
        let mut closed = 0.0;
        self.health.source().collect(&mut |sample| {
            if sample.name == "http_server_connections_closed_total"
                && sample.labels == [("reason", reason)]
            {
                closed = sample.value;
            }
        });
        closed
    }

    async fn until_closed(&self, reason: &str, count: f64) {
        while self.closed(reason) < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn end(self) {
        self.lifecycle.shut_down();
        let report = self.server.await.unwrap();
        assert!(report.is_clean(), "{report}");
    }
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        match stream.read_u8().await {
            Ok(byte) => read.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&read).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn later_head_has_head_limit_not_idle_limit() {
    for half in [&b"G"[..], b"GET / HTTP/1.1\r\nhost: t"] {
        let serving = Serving::start(ServerLimits { header_read_timeout: SHORT, ..long() }).await;
        let mut stream = TcpStream::connect(serving.addr).await.unwrap();
        stream.write_all(KEPT).await.unwrap();
        assert!(read_until(&mut stream, ";").await.ends_with("read 0;"));
        tokio::time::sleep(SHORT * 2).await; // idle for longer than a head may take
        stream.write_all(KEPT).await.unwrap();
        assert!(read_until(&mut stream, ";").await.ends_with("read 0;"));
        stream.write_all(half).await.unwrap();
        serving.until_closed("head", 1.0).await;
        serving.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connection_with_stalled_body_is_closed_and_counted() {
    let heads: [&[u8]; 4] = [
        b"POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 1000\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 1000\r\n\r\n0123456789",
        b"POST / HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n4\r\n01\r\n\r\n",
    ];
    let serving = Serving::start(ServerLimits { body_read_timeout: SHORT, ..long() }).await;
    for (at, head) in heads.into_iter().enumerate() {
        let mut stream = TcpStream::connect(serving.addr).await.unwrap();
        stream.write_all(head).await.unwrap();
        serving.until_closed("body", at as f64 + 1.0).await;
        // As the second request of a connection.
        let mut stream = TcpStream::connect(serving.addr).await.unwrap();
        stream.write_all(KEPT).await.unwrap();
        assert!(read_until(&mut stream, ";").await.ends_with("read 0;"));
    }
    let clients = Clients::connect(serving.addr, Client::HalfBody, 20).unwrap();
    serving.until_closed("body", 24.0).await;
    drop(clients);
    serving.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connection_with_body_below_min_rate_is_closed_and_counted() {
    let heads: [(&[u8], &[u8]); 2] = [
        (b"POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 100000\r\n\r\n", b"x"),
        (b"POST / HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ];
    let limits = ServerLimits { body_read_timeout: SHORT, min_body_rate: 1_000, ..long() };
    let serving = Serving::start(limits).await;
    for (at, (head, byte)) in heads.into_iter().enumerate() {
        let mut stream = TcpStream::connect(serving.addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(head).await.unwrap();
        let mut bytes = 0;
        // The connection's end shows in the write after it.
        while stream.write_all(byte).await.is_ok() {
            bytes += 1;
            assert!(bytes < 4_000, "still open");
            tokio::time::sleep(SHORT / 10).await;
        }
        serving.until_closed("body", at as f64 + 1.0).await;
    }
    let limits = ServerLimits { body_read_timeout: SHORT * 6, ..long() };
    let default = Serving::start(limits).await;
    let clients = Clients::connect(default.addr, Client::SendsBodySlowly, 3).unwrap();
    default.until_closed("body", 3.0).await;
    drop(clients);
    default.end().await;
    serving.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn body_at_min_rate_outlives_timeout() {
    for min_body_rate in [0, 10] {
        let limits = ServerLimits { body_read_timeout: SHORT * 10, min_body_rate, ..long() };
        let serving = Serving::start(limits).await;
        let mut stream = TcpStream::connect(serving.addr).await.unwrap();
        let head = b"POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 60\r\n\r\n";
        stream.write_all(head).await.unwrap();
        for _ in 0..15 {
            tokio::time::sleep(SHORT).await;
            stream.write_all(b"body").await.unwrap();
        }
        assert!(read_until(&mut stream, ";").await.ends_with("read 60;"), "{min_body_rate}");
        serving.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_handler_with_whole_request_keeps_connection() {
    let requests = [
        ("GET /slow HTTP/1.1\r\nhost: t\r\n\r\n", "slow 0;"),
        ("DELETE /slow HTTP/1.1\r\nhost: t\r\n\r\n", "slow 0;"),
        ("POST /slow HTTP/1.1\r\nhost: t\r\ncontent-length: 4\r\n\r\nbody", "slow 4;"),
        (
            "POST /slow HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
            "slow 4;",
        ),
    ];
    let limits = ServerLimits { body_read_timeout: SHORT, header_read_timeout: SHORT, ..long() };
    let serving = Serving::start(limits).await;
    // All on one connection, whole or in two parts; then all at once.
    let mut stream = TcpStream::connect(serving.addr).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for (request, answer) in requests {
        for cut in [request.len(), 10, request.len() - 3] {
            stream.write_all(&request.as_bytes()[..cut]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
            stream.write_all(&request.as_bytes()[cut..]).await.unwrap();
            let got = read_until(&mut stream, ";").await;
            assert!(got.ends_with(answer), "{request:?} cut at {cut}: {got:?}");
        }
    }
    let all: String = requests.iter().map(|(request, _)| *request).collect();
    stream.write_all(all.as_bytes()).await.unwrap();
    for (request, answer) in requests {
        let got = read_until(&mut stream, ";").await;
        assert!(got.ends_with(answer), "pipelined {request:?}: {got:?}");
    }
    assert_eq!(serving.closed("body") + serving.closed("head"), 0.0);
    serving.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_reading_client_is_closed_and_counted() {
    let serving = Serving::start(ServerLimits { write_timeout: SHORT, ..long() }).await;
    let mut stream = TcpStream::connect(serving.addr).await.unwrap();
    stream.write_all(b"GET /large HTTP/1.1\r\nhost: t\r\n\r\n").await.unwrap();
    serving.until_closed("write", 1.0).await;
    let clients = Clients::connect(serving.addr, Client::NeverReads, 2).unwrap();
    serving.until_closed("write", 3.0).await;
    drop(clients);
    serving.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_connection_finishes_request_and_is_closed() {
    let serving = Serving::start(ServerLimits { connection_age: SHORT, ..long() }).await;
    let mut busy = TcpStream::connect(serving.addr).await.unwrap();
    let mut idle = TcpStream::connect(serving.addr).await.unwrap();
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: t\r\n\r\n").await.unwrap();
    idle.write_all(KEPT).await.unwrap();
    let mut answers = [String::new(), String::new()];
    busy.read_to_string(&mut answers[0]).await.unwrap();
    idle.read_to_string(&mut answers[1]).await.unwrap();
    assert!(answers[0].ends_with("slow 0;") && answers[1].ends_with("read 0;"), "{answers:?}");
    serving.until_closed("age", 2.0).await;
    serving.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upgraded_connection_has_no_server_limits() {
    let limits = ServerLimits {
        header_read_timeout: SHORT,
        body_read_timeout: SHORT,
        write_timeout: SHORT,
        idle_timeout: SHORT,
        connection_age: SHORT,
        ..ServerLimits::default()
    };
    let serving = Serving::start(limits).await;
    let mut stream = TcpStream::connect(serving.addr).await.unwrap();
    let upgrade =
        b"GET /upgrade HTTP/1.1\r\nhost: t\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    stream.write_all(upgrade).await.unwrap();
    assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 101"));
    for _ in 0..3 {
        tokio::time::sleep(SHORT * 2).await;
        stream.write_all(b"echo").await.unwrap();
        assert_eq!(read_until(&mut stream, "echo").await, "echo");
    }
    drop(stream);
    serving.end().await;
}

/// Both sides of a split upgrade wait, each in a task of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn abort_fails_both_halves_of_split_upgrade() {
    let mut deadlines = Deadlines::development();
    deadlines.requests = SHORT;
    let lifecycle = Lifecycle::new(Health::new(), deadlines);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (ended, mut ends) = tokio::sync::mpsc::unbounded_channel::<(&str, io::Result<u64>)>();
    let app = service_fn(move |request: Request<Incoming>| {
        let ended = ended.clone();
        async move {
            tokio::spawn(async move {
                let upgraded = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
                let (mut read, mut write) = tokio::io::split(upgraded);
                let reading = ended.clone();
                tokio::spawn(async move {
                    let read = tokio::io::copy(&mut read, &mut tokio::io::sink()).await;
                    reading.send(("read", read)).unwrap();
                });
                let written = tokio::io::copy(&mut tokio::io::repeat(b'x'), &mut write).await;
                ended.send(("write", written)).unwrap();
            });
            let mut response = Response::new(Full::<Bytes>::default());
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            Ok::<_, Infallible>(response)
        }
    });
    let server = tokio::spawn(Server::new(listener).serve(app, lifecycle.clone()));
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let upgrade = b"GET / HTTP/1.1\r\nhost: t\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
    stream.write_all(upgrade).await.unwrap();
    assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 101"));
    tokio::time::sleep(SHORT).await; // both wait: nothing is sent, nothing is read
    lifecycle.shut_down();
    let mut halves = [ends.recv().await.unwrap(), ends.recv().await.unwrap()];
    halves.sort_by_key(|(half, _)| *half);
    assert!(halves[0].0 == "read" && halves[1].0 == "write", "{halves:?}");
    assert!(halves.iter().all(|(_, ended)| ended.is_err()), "{halves:?}");
    server.await.unwrap();
}
