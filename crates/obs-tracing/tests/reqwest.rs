//! Requests of reqwest's, and a server that tells what it was sent.

#![cfg(feature = "reqwest")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use common::{Exported, attribute, flush};
use obs_tracing::http::ReqwestSpan;
use obs_tracing::{Sampler, TraceLayer};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use tracing::instrument::WithSubscriber;
use tracing::{Dispatch, Instrument, info_span};
use tracing_subscriber::prelude::*;

fn client() -> ClientWithMiddleware {
    ClientBuilder::new(reqwest::Client::new()).with(ReqwestSpan::default()).build()
}

/// `/moved` leads to `/here`, `/missing` is 404; all others answer with the `traceparent` they were sent.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines: Vec<String> = BufReader::new(stream.try_clone().unwrap())
                .lines()
                .map(Result::unwrap)
                .take_while(|line| !line.is_empty())
                .collect();
            let path = lines[0].split(' ').nth(1).unwrap();
            let status = match path {
                "/moved" => "302 Found\r\nlocation: /here",
                "/missing" => "404 Not Found",
                _ => "200 OK",
            };
            let told = lines.iter().find_map(|line| line.strip_prefix("traceparent: "));
            let body = told.unwrap_or("nothing");
            let answer = format!(
                "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    endpoint
}

fn run<T>(layer: TraceLayer, work: impl Future<Output = T>) -> T {
    let subscriber = Dispatch::new(tracing_subscriber::registry().with(layer));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work.with_subscriber(subscriber))
}

#[test]
fn request_is_client_span_and_carries_context() {
    let (layer, traces, exported) = common::pipeline();
    let endpoint = server();
    let url = format!("{endpoint}/orders?token=secret");
    let told = run(layer, async {
        let exchange = async {
            let response = client().post(&url).body("an order").send().await.unwrap();
            assert_eq!(response.url().as_str(), url);
            assert!(response.remote_addr().is_some());
            response.text().await.unwrap()
        };
        exchange.instrument(info_span!("request")).await
    });
    flush(&traces);
    let span = exported.span("POST");
    assert_eq!(span.kind(), SpanKind::Client);
    assert_eq!(span.parent_span_id, exported.span("request").span_id);
    let hex = |id: &[u8]| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(told, format!("00-{}-{}-03", hex(&span.trace_id), hex(&span.span_id)));
    let port = endpoint.rsplit(':').next().unwrap();
    for (key, value) in [
        ("http.request.method", "POST"),
        ("http.response.status_code", "200"),
        ("server.address", "127.0.0.1"),
        ("server.port", port),
        ("url.full", &format!("{endpoint}/orders")),
    ] {
        assert_eq!(attribute(&span, key).as_deref(), Some(value), "{key}");
    }
}

#[test]
fn failures_and_redirects_are_recorded() {
    let (layer, traces, exported) = common::pipeline();
    let endpoint = server();
    run(layer, async {
        let get = |path: &str| client().get(format!("{endpoint}{path}")).send();
        let response = get("/moved").instrument(info_span!("moved")).await.unwrap();
        assert_eq!(response.url().path(), "/here");
        drop(response);
        get("/missing").instrument(info_span!("missing")).await.unwrap();
        let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let failed = client().get(format!("http://{refused}/")).send();
        assert!(failed.instrument(info_span!("refused")).await.is_err());
    });
    flush(&traces);
    let sent = |within: &str| {
        let parent = exported.span(within).span_id;
        let mut children =
            exported.spans().into_iter().filter(|span| span.parent_span_id == parent);
        let child = children.next().unwrap();
        assert!(children.next().is_none(), "{within}");
        child
    };
    let error = |within: &str| attribute(&sent(within), "error.type");
    assert_eq!(attribute(&sent("moved"), "http.response.status_code").as_deref(), Some("200"));
    assert_eq!(error("moved"), None);
    assert_eq!(error("missing").as_deref(), Some("404"));
    assert_eq!(error("refused").as_deref(), Some("error"));
}

#[test]
fn unsampled_context_is_propagated() {
    let exported = Exported::default();
    let (layer, traces) = exported.builder().sampler(Sampler::never()).build().unwrap();
    let endpoint = server();
    run(layer, async {
        let told = client().get(endpoint).send().await.unwrap().text().await.unwrap();
        assert!(told.starts_with("00-") && told.ends_with("-02"), "{told}");
    });
    flush(&traces);
    assert!(exported.spans().is_empty());
}
