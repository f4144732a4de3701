//! Whoever holds a listener of the console, an honest client is answered.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

#[path = "support/otlp.rs"]
mod otlp;
mod support;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use obs_testing::peers::{Client, Clients};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use prost::Message;
use support::{builder, get, post};

const PROTOBUF: &str = "content-type: application/x-protobuf\r\n";
/// Any wait for a place that a stuck client holds would take 15 s.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

fn assert_answered_while_held(addr: SocketAddr, ask: impl Fn()) {
    for kind in Client::ALL {
        let fills = matches!(kind, Client::NeverReads | Client::ReadsSlowly);
        let count = if fills { 4 } else { 300 };
        let clients = Clients::connect(addr, kind, count).unwrap();
        let since = Instant::now();
        ask();
        assert!(since.elapsed() < RESPONSE_TIMEOUT, "{kind:?} held it for {:?}", since.elapsed());
        drop(clients);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stuck_clients_leave_otlp_over_http_answered() {
    let running = builder().start().await.unwrap();
    let span = otlp::traces("a", vec![otlp::span(1, 1, 0, "", (0, 0))]).encode_to_vec();
    let addr = running.otlp_http();
    assert_answered_while_held(addr, || {
        assert_eq!(post(addr, "/v1/traces", PROTOBUF, &span).status, 200);
    });
    assert!(running.store().stats().evicted.connections > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn stuck_clients_leave_api_answered() {
    let running = builder().start().await.unwrap();
    let addr = running.api();
    assert_answered_while_held(addr, || assert_eq!(get(addr, "/api/stats").status, 200));
    assert!(running.store().stats().evicted.connections > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn stuck_clients_leave_otlp_over_grpc_answered() {
    let running = builder().start().await.unwrap();
    let addr = running.otlp_grpc();
    for kind in Client::ALL {
        // Its server ends those that speak HTTP/1 at once: they cannot fill its buffers.
        let Ok(clients) = Clients::connect(addr, kind, 300) else { continue };
        let since = Instant::now();
        let mut client = TraceServiceClient::connect(format!("http://{addr}")).await.unwrap();
        let span = otlp::traces("a", vec![otlp::span(1, 1, 0, "", (0, 0))]);
        assert!(client.export(span).await.is_ok(), "{kind:?}");
        assert!(since.elapsed() < RESPONSE_TIMEOUT, "{kind:?} held it for {:?}", since.elapsed());
        drop(clients);
    }
    assert!(running.store().stats().evicted.connections > 0);
}
