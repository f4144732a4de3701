//! What a client's request carries by default: the request's id, and the context in the pipeline's formats.

#![cfg(feature = "reqwest")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]

mod common;

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use common::{Exported, flush};
use http::HeaderMap;
use obs_context::RequestId;
use obs_tracing::http::{
    ReqwestSpan, client_layer, grpc_client_layer, grpc_server_layer, server_layer,
};
use obs_tracing::{Builder, TraceLayer};
use reqwest_middleware::ClientBuilder;
use tower::{ServiceBuilder, ServiceExt};
use tracing::Dispatch;
use tracing::instrument::WithSubscriber;
use tracing_subscriber::prelude::*;

const ID: &str = "request-17";

fn b3() -> Builder {
    let lookup = |name: &str| (name == "OTEL_PROPAGATORS").then(|| "b3".to_owned());
    Builder::new("test").environment(lookup)
}

fn run<T>(layer: TraceLayer, work: impl Future<Output = T>) -> T {
    let subscriber = Dispatch::new(tracing_subscriber::registry().with(layer));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = RequestId::parse(ID.as_bytes()).unwrap().enter();
    runtime.block_on(work.with_subscriber(subscriber))
}

/// A service that keeps the headers it was sent.
fn keep(
    headers: &Arc<Mutex<HeaderMap>>,
) -> impl tower::Service<
    http::Request<String>,
    Response = http::Response<String>,
    Error = Infallible,
    Future: Send,
> + use<> {
    let headers = Arc::clone(headers);
    tower::service_fn(move |request: http::Request<String>| {
        *headers.lock().unwrap() = request.headers().clone();
        async { Ok(http::Response::new(String::new())) }
    })
}

fn assert_forwarded(headers: &HeaderMap) {
    assert_eq!(headers.get("x-request-id").unwrap(), ID);
    assert!(headers.contains_key("b3"), "{headers:?}");
    assert!(!headers.contains_key("traceparent"), "{headers:?}");
}

#[test]
fn client_layer_forwards_request_id_in_pipeline_formats() {
    let (layer, traces) = Exported::default().on(b3()).build().unwrap();
    let (plain, grpc) = (Arc::default(), Arc::default());
    run(layer, async {
        let client = ServiceBuilder::new().layer(client_layer()).service(keep(&plain));
        client.oneshot(http::Request::new(String::new())).await.unwrap();
        let client = ServiceBuilder::new().layer(grpc_client_layer()).service(keep(&grpc));
        client.oneshot(http::Request::new(String::new())).await.unwrap();
    });
    flush(&traces);
    assert_forwarded(&plain.lock().unwrap());
    assert_forwarded(&grpc.lock().unwrap());
}

#[test]
fn callers_own_request_id_is_kept() {
    let (layer, _traces) = Exported::default().on(b3()).build().unwrap();
    let headers = Arc::default();
    run(layer, async {
        let client = ServiceBuilder::new().layer(client_layer()).service(keep(&headers));
        let request = http::Request::builder().header("x-request-id", "mine").body(String::new());
        client.oneshot(request.unwrap()).await.unwrap();
    });
    assert_eq!(headers.lock().unwrap().get("x-request-id").unwrap(), "mine");
}

#[test]
fn reqwest_middleware_forwards_request_id_in_pipeline_formats() {
    let (layer, traces) = Exported::default().on(b3()).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let lines: Vec<String> = BufReader::new(stream.try_clone().unwrap())
            .lines()
            .map(Result::unwrap)
            .take_while(|line| !line.is_empty())
            .collect();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            .unwrap();
        lines
    });
    run(layer, async {
        let client =
            ClientBuilder::new(reqwest::Client::new()).with(ReqwestSpan::default()).build();
        client.get(url).send().await.unwrap();
    });
    flush(&traces);
    let mut headers = HeaderMap::new();
    for line in server.join().unwrap().iter().skip(1) {
        let (name, value) = line.split_once(": ").unwrap();
        let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.insert(name, value.parse().unwrap());
    }
    assert_forwarded(&headers);
}

#[test]
fn server_layer_continues_trace_in_pipeline_formats() {
    let exported = Exported::default();
    let (layer, traces) = exported.on(b3()).build().unwrap();
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    run(layer, async {
        let request = || {
            let b3 = format!("{TRACE}-b7ad6b7169203331-1");
            http::Request::builder().header("b3", b3).body(String::new()).unwrap()
        };
        let headers = Arc::default();
        let server =
            ServiceBuilder::new().layer(server_layer(obs_http::unrouted)).service(keep(&headers));
        server.oneshot(request()).await.unwrap();
        let server = ServiceBuilder::new().layer(grpc_server_layer()).service(keep(&headers));
        server.oneshot(request()).await.unwrap();
    });
    flush(&traces);
    let hex = |id: &[u8]| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let spans = exported.spans();
    assert_eq!(spans.len(), 2);
    assert!(spans.iter().all(|span| hex(&span.trace_id) == TRACE), "{spans:?}");
}

#[test]
fn formats_set_in_code_override_pipeline_formats() {
    let (layer, _traces) = Exported::default().on(b3()).build().unwrap();
    let headers = Arc::default();
    run(layer, async {
        let jaeger = obs_tracing::propagate::Propagators::parse("jaeger").unwrap();
        let span = obs_tracing::http::ClientSpan::new().propagators(jaeger);
        let layer = obs_http::ObserveLayer::new(span, obs_http::unrouted);
        let client = ServiceBuilder::new().layer(layer).service(keep(&headers));
        client.oneshot(http::Request::new(String::new())).await.unwrap();
    });
    let headers = headers.lock().unwrap();
    assert!(headers.contains_key("uber-trace-id") && !headers.contains_key("b3"), "{headers:?}");
}
