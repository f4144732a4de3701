//! The application's server: upgrades, handshakes, limits, and descriptors that run out.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed test is a panic"
)]

use std::cell::Cell;
use std::convert::Infallible;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use obs_health::lifecycle::{Deadlines, Lifecycle, ShutdownReport, Stage};
use obs_health::{Acceptor, Health, Server, ServerLimits};
use obs_http::PeerAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tower::service_fn;

mod support;

/// Only a test that fails takes so long.
const LONG: Duration = Duration::from_secs(60);

fn lifecycle(requests: Duration) -> (Lifecycle, Health) {
    let mut deadlines = Deadlines::development();
    deadlines.requests = requests;
    let health = Health::new();
    (Lifecycle::new(health.clone(), deadlines), health)
}

/// Counts the echoes of this thread that have ended.
struct Ended;

thread_local! {
    static ENDED: Cell<usize> = const { Cell::new(0) };
}

impl Drop for Ended {
    fn drop(&mut self) {
        ENDED.set(ENDED.get() + 1);
    }
}

/// Upgrades every request to an echo, which ends with the shutdown when `polite`.
async fn serve_echo(
    lifecycle: &Lifecycle,
    polite: bool,
) -> (SocketAddr, JoinHandle<ShutdownReport>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let draining = lifecycle.draining();
    let app = service_fn(move |mut request: Request<Incoming>| {
        let draining = draining.clone();
        async move {
            let upgraded = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let _ended = Ended; // dropped after the stream
                let mut stream = TokioIo::new(upgraded.await.unwrap());
                let mut byte = [0];
                loop {
                    tokio::select! {
                        read = stream.read(&mut byte) => match read {
                            Ok(1) => stream.write_all(&byte).await.unwrap(),
                            _ => break,
                        },
                        () = draining.cancelled(), if polite => {
                            let _ = stream.write_all(b"bye").await;
                            break;
                        }
                    }
                }
            });
            let mut response = Response::new(Full::<Bytes>::default());
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let headers = response.headers_mut();
            headers.insert(header::UPGRADE, "echo".parse().unwrap());
            headers.insert(header::CONNECTION, "upgrade".parse().unwrap());
            Ok::<_, Infallible>(response)
        }
    });
    (addr, tokio::spawn(Server::new(listener).serve(app, lifecycle.clone())))
}

/// An upgraded connection that has echoed once.
async fn upgraded(addr: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let head = "GET / HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
    stream.write_all(b"x").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'x');
    stream
}

#[tokio::test]
async fn upgraded_connections_finish_at_shutdown() {
    let (lifecycle, _) = lifecycle(LONG);
    let (addr, server) = serve_echo(&lifecycle, true).await;
    let mut streams = Vec::new();
    for _ in 0..5 {
        streams.push(upgraded(addr).await);
    }
    lifecycle.shut_down();
    for stream in &mut streams {
        let mut last = String::new();
        stream.read_to_string(&mut last).await.unwrap();
        assert_eq!(last, "bye");
    }
    let report = server.await.unwrap();
    assert!(report.is_clean(), "{report}");
}

#[tokio::test]
async fn upgraded_connections_past_deadline_are_aborted_and_counted() {
    let (lifecycle, health) = lifecycle(Duration::from_millis(300));
    let (addr, server) = serve_echo(&lifecycle, false).await;
    let mut streams = vec![upgraded(addr).await, upgraded(addr).await, upgraded(addr).await];
    let (ended_itself, before) = (streams.pop(), ENDED.get());
    drop(ended_itself);
    while ENDED.get() == before {
        tokio::task::yield_now().await;
    }
    lifecycle.shut_down();
    let report = server.await.unwrap();
    let requests = report.stage(Stage::Requests).unwrap();
    assert_eq!((requests.finished, requests.lost), (0, 2), "{report}");
    assert!(requests.took >= Duration::from_millis(300), "they had until the deadline: {report}");
    assert_eq!(support::total(&health, "http_server_upgraded_aborted_total"), 2.0);
    for stream in &mut streams {
        assert!(!matches!(stream.read(&mut [0; 8]).await, Ok(1..)), "it is closed");
    }
}

/// Expects the word `knock` before HTTP.
#[derive(Clone)]
struct Knock;

impl Acceptor for Knock {
    type Stream = TcpStream;

    async fn accept(&self, mut stream: TcpStream) -> io::Result<TcpStream> {
        let mut word = [0; 5];
        stream.read_exact(&mut word).await?;
        match &word {
            b"knock" => Ok(stream),
            _ => Err(io::Error::other("another word")),
        }
    }
}

async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(Bytes::from_static(b"hello"))))
}

async fn send(stream: &mut TcpStream, text: &str) -> String {
    let _ = stream.write_all(text.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

const GET: &str = "GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";

/// A server that expects a knock within this time.
async fn serve_after_knocks(
    lifecycle: &Lifecycle,
    handshake_timeout: Duration,
) -> (SocketAddr, JoinHandle<ShutdownReport>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let limits = ServerLimits { handshake_timeout, ..ServerLimits::default() };
    let server = Server::new(listener).limits(limits).acceptor(Knock);
    (addr, tokio::spawn(server.serve(service_fn(hello), lifecycle.clone())))
}

#[tokio::test]
async fn failed_or_hanging_handshake_blocks_no_other_connection() {
    let (lifecycle, health) = lifecycle(LONG);
    let (addr, server) = serve_after_knocks(&lifecycle, LONG).await;
    let silent = TcpStream::connect(addr).await.unwrap();
    let mut wrong = TcpStream::connect(addr).await.unwrap();
    assert_eq!(send(&mut wrong, "?????").await, "");
    let mut right = TcpStream::connect(addr).await.unwrap();
    let answer = send(&mut right, &format!("knock{GET}")).await;
    assert!(answer.ends_with("hello"), "{answer}");
    assert_eq!(support::total(&health, "http_server_handshakes_failed_total"), 1.0);
    drop(silent);
    lifecycle.shut_down();
    assert!(server.await.unwrap().is_clean());
}

#[tokio::test]
async fn silent_handshake_is_closed_at_timeout_and_counted() {
    let (lifecycle, health) = lifecycle(LONG);
    let (addr, server) = serve_after_knocks(&lifecycle, Duration::from_millis(100)).await;
    let mut silent = TcpStream::connect(addr).await.unwrap();
    assert_eq!(send(&mut silent, "").await, "");
    assert_eq!(support::total(&health, "http_server_handshakes_failed_total"), 1.0);
    lifecycle.shut_down();
    assert!(server.await.unwrap().is_clean());
}

#[tokio::test]
async fn handshake_in_flight_at_shutdown_is_served() {
    let (lifecycle, _) = lifecycle(LONG);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = Server::new(listener).acceptor(Knock);
    let server = tokio::spawn(server.serve(service_fn(hello), lifecycle.clone()));
    let mut late = TcpStream::connect(addr).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    lifecycle.shut_down();
    while TcpStream::connect(addr).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let answer = send(&mut late, &format!("knock{GET}")).await;
    assert!(answer.ends_with("hello"), "{answer:?}");
    assert!(server.await.unwrap().is_clean());
}

#[tokio::test]
async fn request_has_peer_of_connection() {
    let (lifecycle, _) = lifecycle(LONG);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let app = service_fn(|request: Request<Incoming>| async move {
        let peer = request.extensions().get::<PeerAddr>().map(|peer| peer.0.to_string());
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(peer.unwrap_or_default())))
    });
    let server = tokio::spawn(Server::new(listener).serve(app, lifecycle.clone()));
    for _ in 0..2 {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let own = stream.local_addr().unwrap().to_string();

        let answer = send(&mut stream, GET).await;
        assert!(answer.ends_with(&own), "{own}: {answer}");
    }
    lifecycle.shut_down();
    server.await.unwrap();
}

#[tokio::test]
async fn requests_in_sockets_at_shutdown_are_answered() {
    let (lifecycle, _) = lifecycle(LONG);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = tokio::spawn(Server::new(listener).serve(service_fn(hello), lifecycle.clone()));
    let mut streams = Vec::new();
    for _ in 0..50 {
        // Blocking, so that the server has not come to see any of them.
        let mut stream = std::net::TcpStream::connect(addr).unwrap();
        stream.write_all(GET.as_bytes()).unwrap();
        stream.set_nonblocking(true).unwrap();
        streams.push(TcpStream::from_std(stream).unwrap());
    }
    lifecycle.shut_down();
    for stream in &mut streams {
        let answer = send(stream, "").await;
        assert!(answer.ends_with("hello"), "{answer:?}");
    }
    assert!(server.await.unwrap().is_clean());
}

#[tokio::test]
async fn connection_past_limit_waits() {
    let (lifecycle, _) = lifecycle(LONG);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let limits = ServerLimits { connections: 2, ..ServerLimits::default() };
    let server = Server::new(listener).limits(limits);
    let server = tokio::spawn(server.serve(service_fn(hello), lifecycle.clone()));
    let kept = TcpStream::connect(addr).await.unwrap();
    let also_kept = TcpStream::connect(addr).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut third = TcpStream::connect(addr).await.unwrap();
    third.write_all(GET.as_bytes()).await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(200), third.read_u8()).await;
    assert!(early.is_err(), "it was served past the limit");
    drop(kept);
    let answer = send(&mut third, "").await;
    assert!(answer.ends_with("hello"), "{answer}");
    drop(also_kept);
    lifecycle.shut_down();
    assert!(server.await.unwrap().is_clean());
}

/// Not a test: a server with few descriptors, as another process.
#[test]
fn child() {
    if std::env::var_os("SERVER_CHILD").is_none() {
        return;
    }
    use rustix::process::{Resource, Rlimit, setrlimit};
    setrlimit(Resource::Nofile, Rlimit { current: Some(40), maximum: Some(40) }).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (lifecycle, health) = lifecycle(Duration::from_secs(1));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("\naddr {}", listener.local_addr().unwrap());
        let told = health.clone();
        tokio::spawn(async move {
            while support::total(&told, "http_server_accept_errors_total") < 1.0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            println!("\nout of descriptors");
        });
        let app = service_fn(move |_: Request<Incoming>| {
            let errors = support::total(&health, "http_server_accept_errors_total");
            let body = Bytes::from(format!("errors {errors}"));
            async { Ok::<_, Infallible>(Response::new(Full::new(body))) }
        });
        Server::new(listener).serve(app, lifecycle).await;
    });
}

#[test]
fn server_out_of_descriptors_neither_spins_nor_ends() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture"])
        .env("SERVER_CHILD", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let addr = lines.find_map(|line| line.strip_prefix("addr ")?.parse().ok());
    let addr: SocketAddr = addr.unwrap();
    let begun = Instant::now();
    let connections: Vec<_> =
        (0..80).map(|_| std::net::TcpStream::connect(addr).unwrap()).collect();
    assert!(lines.any(|line| line == "out of descriptors"));
    std::thread::sleep(Duration::from_millis(1_200));
    drop(connections);
    let mut stream = std::net::TcpStream::connect(addr).unwrap();
    stream.write_all(GET.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let errors: f64 = answer.rsplit("errors ").next().unwrap().parse().unwrap();
    // It pauses for half a second after each.
    let most = 10.0 + begun.elapsed().as_secs_f64() * 10.0;
    assert!((1.0..most).contains(&errors), "tried {errors} times: {answer}");
}
