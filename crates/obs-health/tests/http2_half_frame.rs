//! An HTTP/2 peer that stops within a frame of a body: nothing can be reset there, and nothing is busy meanwhile.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

mod support;

use std::convert::Infallible;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use obs_health::lifecycle::{Deadlines, Lifecycle};
use obs_health::{Health, Server, ServerLimits};
use support::total;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tower::service_fn;

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(60);
/// Of which a clock tick of `/proc/self/stat` is 10 ms.
const STALL: Duration = Duration::from_secs(2);

async fn app(request: Request<Incoming>) -> Result<Response<Empty<&'static [u8]>>, Infallible> {
    let _read = request.into_body().collect().await;
    Ok(Response::new(Empty::new()))
}

/// In ticks, of all threads.
fn cpu_time() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit(')').next().unwrap().split_whitespace();
    fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_body_within_frame_uses_no_cpu_and_resets_at_frame_end() {
    let health = Health::new();
    let lifecycle = Lifecycle::new(health.clone(), Deadlines::development());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let limits = ServerLimits {
        body_read_timeout: SHORT,
        min_body_rate: 0,
        ping_interval: LONG,
        ping_timeout: LONG,
        ..ServerLimits::default()
    };
    tokio::spawn(Server::new(listener).limits(limits).serve(service_fn(app), lifecycle.clone()));

    let mut peer = TcpStream::connect(addr).await.unwrap();
    peer.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    // HEADERS of a POST, and half of a DATA frame of 20 bytes.
    peer.write_all(b"\0\0\x0e\x01\x04\0\0\0\x01\x83\x86\x84\x41\x09localhost").await.unwrap();
    peer.write_all(b"\0\0\x14\0\0\0\0\0\x010123456789").await.unwrap();
    tokio::time::sleep(SHORT * 2).await;
    let before = cpu_time();
    tokio::time::sleep(STALL).await;
    let used = cpu_time() - before;
    assert!(used < 50, "{used} of 200 ticks");
    assert_eq!(total(&health, "http_server_streams_reset_total"), 0.0);

    peer.write_all(b"0123456789").await.unwrap();
    while total(&health, "http_server_streams_reset_total") < 1.0 {
        tokio::time::sleep(SHORT / 20).await;
    }
    lifecycle.shut_down();
}
