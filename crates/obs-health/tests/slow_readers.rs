//! A peer must take its answer, at a least rate; an application may take all the time it likes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

mod support;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use obs_health::lifecycle::{Deadlines, Lifecycle};
use obs_health::{Acceptor, Health, PlainTcp, Server, ServerLimits};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;
use tower::service_fn;

const SHORT: Duration = Duration::from_millis(200);
const LARGE: usize = 32 << 20;

/// Stands for a peer that takes a byte now and then, however much the kernel would buffer; with
/// `buffers` for a session of TLS, which takes everything and waits in its flush.
#[derive(Clone, Copy)]
struct Drip {
    every: Duration,
    bytes: usize,
    buffers: bool,
}

struct Dripping {
    stream: TcpStream,
    drip: Drip,
    buffered: usize,
    timer: Pin<Box<Sleep>>,
}

impl Acceptor for Drip {
    type Stream = Dripping;

    async fn accept(&self, stream: TcpStream) -> io::Result<Dripping> {
        let timer = Box::pin(tokio::time::sleep(self.every));
        Ok(Dripping { stream, drip: *self, buffered: 0, timer })
    }
}

impl AsyncRead for Dripping {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Dripping {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.drip.buffers {
            self.buffered += bytes.len();
            return Poll::Ready(Ok(bytes.len()));
        }
        std::task::ready!(self.timer.as_mut().poll(context));
        self.timer = Box::pin(tokio::time::sleep(self.drip.every));
        let most = bytes.len().min(self.drip.bytes);
        Pin::new(&mut self.stream).poll_write(context, &bytes[..most])
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.buffered > 0 {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

struct Words(tokio::sync::mpsc::Receiver<Bytes>);

impl Body for Words {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|word| word.map(|word| Ok(Frame::data(word))))
    }
}

/// `/large` answers 32 MiB, `/stream` ten words with pauses, anything else one word.
async fn app(
    request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let body = match request.uri().path() {
        "/large" => Full::new(Bytes::from(vec![b'x'; LARGE])).boxed(),
        "/stream" => {
            let (sender, receiver) = tokio::sync::mpsc::channel(1);
            tokio::spawn(async move {
                for _ in 0..4 {
                    tokio::time::sleep(SHORT * 2).await;
                    sender.send(Bytes::from_static(b"word;")).await.unwrap();
                }
            });
            Words(receiver).boxed()
        }
        _ => Full::new(Bytes::from_static(b"hello")).boxed(),
    };
    Ok(Response::new(body))
}

fn limits(min_write_rate: u32) -> ServerLimits {
    ServerLimits { write_timeout: SHORT, min_write_rate, ..ServerLimits::default() }
}

async fn serve<A: Acceptor>(acceptor: A, limits: ServerLimits) -> (SocketAddr, Lifecycle, Health) {
    let health = Health::new();
    let lifecycle = Lifecycle::new(health.clone(), Deadlines::development());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = Server::new(listener).limits(limits).acceptor(acceptor);
    tokio::spawn(server.serve(service_fn(app), lifecycle.clone()));
    (addr, lifecycle, health)
}

async fn ask(addr: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reader_below_min_rate_is_closed_and_counted() {
    let drip = Drip { every: SHORT / 10, bytes: 1, buffers: false };
    let (addr, lifecycle, health) = serve(drip, limits(1_000)).await;
    let stream = ask(addr, "/large").await;
    support::until_closed(&health, "write", 1.0).await;
    drop(stream);
    lifecycle.shut_down();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reader_at_min_rate_outlives_timeout() {
    let drip = Drip { every: SHORT / 10, bytes: 10, buffers: false };
    for rate in [0, 10] {
        let (addr, lifecycle, health) = serve(drip, limits(rate)).await;
        let mut answer = String::new();
        ask(addr, "/hello").await.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("hello"), "{answer}");
        assert_eq!(support::total(&health, "http_server_connections_closed_total"), 0.0);
        lifecycle.shut_down();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answer_stuck_in_stream_buffer_is_closed_and_counted() {
    let drip = Drip { every: SHORT, bytes: 1, buffers: true };
    let (addr, lifecycle, health) = serve(drip, limits(0)).await;
    let stream = ask(addr, "/hello").await;
    support::until_closed(&health, "write", 1.0).await;
    drop(stream);
    lifecycle.shut_down();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slowly_streaming_application_keeps_connection() {
    let (addr, lifecycle, health) = serve(PlainTcp, limits(1_000_000)).await;
    let mut answer = String::new();
    ask(addr, "/stream").await.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer.matches("word;").count(), 4, "{answer}");
    assert_eq!(support::total(&health, "http_server_connections_closed_total"), 0.0);
    lifecycle.shut_down();
}
