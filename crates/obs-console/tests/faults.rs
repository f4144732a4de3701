//! Senders that hang, break off, or come all at once.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

#[path = "support/otlp.rs"]
mod otlp;
mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use obs_context::TraceId;
use prost::Message;
use support::{builder, get, post};

const PROTOBUF: &str = "content-type: application/x-protobuf\r\n";
/// Only a test that hangs takes so long.
const HANG_TIMEOUT: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn hanging_connections_delay_neither_requests_nor_shutdown() {
    let running = builder().start().await.unwrap();
    let open = |address, sent: &[u8]| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(sent).unwrap();
        stream
    };
    let head = b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\
                 content-type: application/x-protobuf\r\n\r\nhalf";
    let mut hanging: Vec<TcpStream> = Vec::new();
    for address in [running.otlp_grpc(), running.otlp_http(), running.api()] {
        for _ in 0..10 {
            hanging.push(open(address, b""));
            hanging.push(open(address, b"GET / HT"));
            hanging.push(open(address, head));
            hanging.push(open(address, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
        }
    }
    let span = otlp::traces("a", vec![otlp::span(1, 1, 0, "", (0, 0))]).encode_to_vec();
    assert_eq!(post(running.otlp_http(), "/v1/traces", PROTOBUF, &span).status, 200);
    assert_eq!(get(running.api(), "/api/stats").status, 200);
    assert!(tokio::time::timeout(HANG_TIMEOUT, running.shutdown()).await.is_ok());
    for mut stream in hanging {
        stream.set_read_timeout(Some(HANG_TIMEOUT)).unwrap();
        let mut rest = Vec::new();
        let ended = stream.read_to_end(&mut rest);
        assert!(ended.is_ok() || ended.is_err_and(|e| e.kind() != std::io::ErrorKind::WouldBlock));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn aborted_request_leaves_nothing_behind() {
    let running = builder().start().await.unwrap();
    let whole = otlp::traces("a", vec![otlp::span(1, 1, 0, "work", (0, 0))]).encode_to_vec();
    for kept in 0..whole.len() {
        let mut stream = TcpStream::connect(running.otlp_http()).unwrap();
        let head = format!(
            "POST /v1/traces HTTP/1.1\r\nhost: localhost\r\n{PROTOBUF}content-length: {}\r\n\r\n",
            whole.len()
        );
        stream.write_all(&[head.as_bytes(), &whole[..kept]].concat()).unwrap();
    }
    while running.store().stats().rejected.requests < whole.len() as u64 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(running.store().stats().received.spans, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn truncated_message_of_any_length_is_answered() {
    let running = builder().start().await.unwrap();
    let mut span = otlp::span(1, 1, 2, "work", (1, 2));
    span.attributes = vec![otlp::text("key", "value")];
    let whole = otlp::traces("a", vec![span]).encode_to_vec();
    let (mut refused, mut taken) = (0, 0);
    for kept in 0..=whole.len() {
        match post(running.otlp_http(), "/v1/traces", PROTOBUF, &whole[..kept]).status {
            200 => taken += 1,
            400 => refused += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!(taken, 2, "nothing, and all of it");
    assert_eq!(running.store().stats().rejected.requests, refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_senders_lose_nothing() {
    let running = builder().start().await.unwrap();
    let (http, api) = (running.otlp_http(), running.api());
    let senders: Vec<_> = (1..=8_u128)
        .map(|sender| {
            std::thread::spawn(move || {
                for request in 1..=25_u64 {
                    let spans =
                        (1..=20).map(|n| otlp::span(sender, request * 100 + n, 0, "", (0, 0)));
                    let body = otlp::traces("a", spans.collect()).encode_to_vec();
                    assert_eq!(post(http, "/v1/traces", PROTOBUF, &body).status, 200);
                    let path = format!("/api/requests/{}", TraceId::new(sender));
                    let document = get(api, &path).json();
                    assert_eq!(document["spans"].as_array().unwrap().len() as u64, request * 20);
                }
            })
        })
        .collect();
    for sender in senders {
        tokio::task::spawn_blocking(move || sender.join().unwrap()).await.unwrap();
    }
    let stats = running.store().stats();
    assert_eq!((stats.stored.spans, stats.received.spans), (8 * 25 * 20, 8 * 25 * 20));
}
