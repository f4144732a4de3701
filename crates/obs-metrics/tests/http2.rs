//! RED over real connections of HTTP/2: streams that end, break off, panic, or lose their connection.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use obs_metrics::http::{ServerMetrics, layer};
use obs_metrics::{Registry, testing};
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, service_fn};

type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

/// `/ok` answers, `/stream` answers without an end, `/wait` never answers, `/panic` does.
async fn answer(request: Request<hyper::body::Incoming>) -> Result<Response<Body>, Infallible> {
    let chunk = || async { Ok(Frame::data(Bytes::from_static(b"chunk"))) };
    let body = match request.uri().path() {
        "/stream" => {
            let rest = stream::pending::<Result<Frame<Bytes>, Infallible>>();
            StreamBody::new(stream::once(chunk()).chain(rest)).boxed_unsync()
        }
        "/wait" => std::future::pending().await,
        "/panic" => panic!("on purpose"),
        _ => StreamBody::new(stream::once(chunk())).boxed_unsync(),
    };
    Ok(Response::new(body))
}

async fn serve(registry: &Registry) -> u16 {
    let red = ServerMetrics::new(registry).unwrap();
    let service = layer(red, obs_http::unrouted).layer(service_fn(answer));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
        }
    });
    port
}

/// A client, and its socket, to break the connection.
async fn connect(port: u16) -> (SendRequest<Empty<Bytes>>, std::net::TcpStream) {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap().into_std().unwrap();
    let socket = stream.try_clone().unwrap();
    let stream = TokioIo::new(TcpStream::from_std(stream).unwrap());
    let (client, connection) = handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(async move {
        let _ = connection.await;
    });
    (client, socket)
}

fn request(method: &str, path: &str) -> Request<Empty<Bytes>> {
    let uri = format!("http://localhost{path}");
    Request::builder().method(method).uri(uri).body(Empty::new()).unwrap()
}

fn counted(registry: &Registry, method: &str, status: &str) -> f64 {
    let labels = [("method", method), ("path", "<unmatched>"), ("status", status)];
    testing::sample(registry, "http_requests_total", &labels).unwrap_or(0.0)
}

fn in_progress(registry: &Registry) -> f64 {
    testing::sample(registry, "http_requests_in_progress", &[]).unwrap()
}

/// Waits for what the server's tasks do on their own.
async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..12_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what} did not come to be");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_stream_of_each_outcome_is_counted_once() {
    let registry = Registry::new();
    let port = serve(&registry).await;
    let (client, socket) = connect(port).await;

    // A hundred streams at once, a tenth of them with a method that nobody knows.
    let answers = (0..100).map(|number| {
        let mut client = client.clone();
        let method = if number % 10 == 0 { "FROBNICATE" } else { "GET" };
        async move {
            let response = client.send_request(request(method, "/ok")).await.unwrap();
            response.into_body().collect().await.unwrap().to_bytes()
        }
    });
    assert!(join_all(answers).await.iter().all(|body| &body[..] == b"chunk"));
    eventually("a hundred", || counted(&registry, "GET", "200") == 90.0).await;
    eventually("unknown methods", || counted(&registry, "_OTHER", "200") == 10.0).await;

    // A stream that the client resets in the middle of the body.
    let mut other = client.clone();
    let mut response = other.send_request(request("PUT", "/stream")).await.unwrap();
    assert!(response.body_mut().frame().await.is_some());
    eventually("one stream", || in_progress(&registry) == 1.0).await;
    drop(response);
    eventually("an aborted body", || counted(&registry, "PUT", "200") == 1.0).await;

    // A handler that panics: its stream alone breaks off.
    assert!(other.send_request(request("POST", "/panic")).await.is_err());
    eventually("a panic", || counted(&registry, "POST", "500") == 1.0).await;

    // A request that the client gives up before there is an answer.
    let mut patient = client.clone();
    let waiting = tokio::spawn(async move { patient.send_request(request("HEAD", "/wait")).await });
    eventually("a waiting request", || in_progress(&registry) == 1.0).await;
    waiting.abort();
    eventually("a cancelled request", || counted(&registry, "HEAD", "499") == 1.0).await;

    // Streams whose connection goes away.
    let mut streaming = client.clone();
    let kept = streaming.send_request(request("PATCH", "/stream")).await.unwrap();
    let mut waiting = client.clone();
    tokio::spawn(async move { waiting.send_request(request("DELETE", "/wait")).await });
    eventually("two streams", || in_progress(&registry) == 2.0).await;
    socket.shutdown(std::net::Shutdown::Both).unwrap();
    eventually("a body without its connection", || counted(&registry, "PATCH", "200") == 1.0).await;
    eventually("a request without its connection", || counted(&registry, "DELETE", "499") == 1.0)
        .await;
    drop(kept);

    eventually("no stream", || in_progress(&registry) == 0.0).await;
    let text = registry.encode_text();
    let counts = text.lines().filter(|line| line.starts_with("http_requests_total{"));
    let total: f64 =
        counts.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum();
    assert_eq!(total, 105.0, "{text}");
    let timed =
        text.lines().filter(|line| line.starts_with("http_request_duration_seconds_count{"));
    let timed: f64 =
        timed.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum();
    assert_eq!(timed, 105.0, "{text}");
}
