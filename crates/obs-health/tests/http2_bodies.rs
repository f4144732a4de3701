//! HTTP/2 request bodies: a peer that stops sending loses its stream, and nothing else does.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

mod support;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use obs_health::lifecycle::{Deadlines, Lifecycle};
use obs_health::{Health, Server, ServerLimits};
use support::total;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tower::service_fn;

const SHORT: Duration = Duration::from_millis(200);
const LARGE: usize = 4 << 20;

/// A body of what a sender gives; it ends with the sender.
struct Parts(mpsc::UnboundedReceiver<Bytes>);

impl Parts {
    fn new() -> (mpsc::UnboundedSender<Bytes>, Self) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (sender, Self(receiver))
    }

    fn whole(bytes: Bytes) -> Self {
        let (sender, body) = Self::new();
        sender.send(bytes).unwrap();
        body
    }
}

impl Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|part| part.map(|part| Ok(Frame::data(part))))
    }
}

/// Answers the body's length: at once with `/echo` as the parts come, after a pause with `/later`.
async fn app(request: Request<Incoming>) -> Result<Response<Parts>, Infallible> {
    let path = request.uri().path().to_owned();
    let mut body = request.into_body();
    if path == "/echo" {
        let (sender, answer) = Parts::new();
        tokio::spawn(async move {
            while let Some(Ok(frame)) = body.frame().await {
                let _gone = sender.send(frame.into_data().unwrap_or_default());
            }
        });
        return Ok(Response::new(answer));
    }
    if path == "/later" {
        tokio::time::sleep(SHORT * 4).await;
    }
    let read = body.collect().await.map_or(0, |body| body.to_bytes().len());
    Ok(Response::new(Parts::whole(read.to_string().into())))
}

async fn serve(min_body_rate: u32) -> (SendRequest<Parts>, Health, Lifecycle) {
    let health = Health::new();
    let lifecycle = Lifecycle::new(health.clone(), Deadlines::development());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let limits =
        ServerLimits { body_read_timeout: SHORT, min_body_rate, ..ServerLimits::default() };
    tokio::spawn(Server::new(listener).limits(limits).serve(service_fn(app), lifecycle.clone()));
    (connect(addr).await, health, lifecycle)
}

async fn connect(addr: SocketAddr) -> SendRequest<Parts> {
    let stream = TokioIo::new(TcpStream::connect(addr).await.unwrap());
    let (client, connection) = Builder::new(TokioExecutor::new()).handshake(stream).await.unwrap();
    tokio::spawn(connection);
    client
}

fn post(path: &str, body: Parts) -> Request<Parts> {
    Request::post(format!("http://localhost{path}")).body(body).unwrap()
}

async fn text(response: Response<Incoming>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().into()).unwrap()
}

fn resets(health: &Health) -> f64 {
    total(health, "http_server_streams_reset_total")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stalled_body_resets_own_stream_only() {
    // Nothing of the body, some of it, and more than a window.
    for sent in [0, 1_000, LARGE] {
        let (mut client, health, lifecycle) = serve(0).await;
        let (sender, body) = Parts::new();
        sender.send(vec![b'x'; sent].into()).unwrap();
        let stuck = tokio::spawn(client.send_request(post("/", body)));
        assert!(stuck.await.unwrap().is_err(), "{sent} bytes sent");
        assert_eq!(resets(&health), 1.0);

        let answer = client.send_request(post("/", Parts::whole(Bytes::from("abc")))).await;
        assert_eq!(text(answer.unwrap()).await, "3");
        assert_eq!(total(&health, "http_server_connections_closed_total"), 0.0);
        drop(sender);
        lifecycle.shut_down();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_stuck_bodies_are_all_reset() {
    let (client, health, lifecycle) = serve(0).await;
    let mut senders = Vec::new();
    let mut answers = Vec::new();
    for _ in 0..150 {
        let (sender, body) = Parts::new();
        sender.send(Bytes::from("abc")).unwrap();
        senders.push(sender);
        let mut client = client.clone();
        answers.push(tokio::spawn(async move { client.send_request(post("/", body)).await }));
    }
    for answer in answers {
        assert!(answer.await.unwrap().is_err());
    }
    assert_eq!(resets(&health), 150.0);
    lifecycle.shut_down();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn body_below_min_rate_is_reset_and_above_is_read() {
    let (mut client, health, lifecycle) = serve(1_000).await;
    for (bytes, is_read) in [(1_000, true), (1, false)] {
        let (sender, body) = Parts::new();
        let sends = tokio::spawn(async move {
            for _ in 0..16 {
                let _gone = sender.send(vec![b'x'; bytes].into());
                tokio::time::sleep(SHORT / 8).await;
            }
        });
        let answer = client.send_request(post("/", body)).await;
        assert_eq!(answer.is_ok(), is_read, "{bytes} bytes at a time");
        sends.await.unwrap();
    }
    assert_eq!(resets(&health), 1.0);
    lifecycle.shut_down();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn body_awaiting_application_is_not_reset() {
    let (mut client, health, lifecycle) = serve(0).await;
    let body = Parts::whole(vec![b'x'; LARGE].into());
    let answer = client.send_request(post("/later", body)).await;
    assert_eq!(text(answer.unwrap()).await, LARGE.to_string());
    assert_eq!(resets(&health), 0.0);
    lifecycle.shut_down();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paused_bidirectional_stream_is_not_reset() {
    let (mut client, health, lifecycle) = serve(0).await;
    let (sender, body) = Parts::new();
    let mut answer = client.send_request(post("/echo", body)).await.unwrap().into_body();
    for part in ["a", "b"] {
        tokio::time::sleep(SHORT * 3).await;
        sender.send(Bytes::from(part)).unwrap();
        let frame = answer.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), part);
    }
    assert_eq!(resets(&health), 0.0);
    lifecycle.shut_down();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_grpc_message_is_not_reset() {
    let (mut client, health, lifecycle) = serve(0).await;
    let (sender, body) = Parts::new();
    let mut call = post("/", body);
    call.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    let answer = tokio::spawn(client.send_request(call));
    tokio::time::sleep(SHORT * 4).await;
    sender.send(Bytes::from("abcd")).unwrap();
    drop(sender);
    assert_eq!(text(answer.await.unwrap().unwrap()).await, "4");
    assert_eq!(resets(&health), 0.0);
    lifecycle.shut_down();
}
