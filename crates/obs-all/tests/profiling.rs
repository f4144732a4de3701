//! Profiles of a whole service, joined to its traces.

#![cfg(all(target_os = "linux", feature = "profiling"))]
#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::hint::black_box;
use std::io::Read;
use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use obs_all::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn fetch(addr: SocketAddr, path: &str, more: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{more}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    let body = answer.split_off(end);
    (String::from_utf8(answer).unwrap(), body)
}

async fn order() -> String {
    burns_for_an_order().to_string()
}

async fn payment() -> String {
    burns_for_a_payment().to_string()
}

#[inline(never)]
fn burns_for_an_order() -> u64 {
    burn()
}

#[inline(never)]
fn burns_for_a_payment() -> u64 {
    burn()
}

#[inline(always)]
fn burn() -> u64 {
    (0..400_000_u64).fold(1, |sum, round| black_box((sum ^ round) << 1 | 1))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn profile_by_route_requires_enabling() {
    let obs = Config::new("orders")
        .environment(|name| (name == "OBS_PROFILING").then(|| "on".to_owned()))
        .admin_addr(Some("127.0.0.1:0".parse().unwrap()))
        .propagation(std::time::Duration::ZERO)
        .init()
        .unwrap();
    let explained = obs.explain().to_string();
    assert!(explained.contains("environment, OBS_PROFILING"), "{explained}");
    let router = Router::new().route("/orders/{id}", get(order)).route("/pay", get(payment));
    let app = obs.observe(router);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, admin) = (listener.local_addr().unwrap(), obs.admin_addr().unwrap());
    let lifecycle = obs.lifecycle().clone();
    let serving = tokio::spawn(obs.serve(listener, app));

    let load = tokio::spawn(async move {
        loop {
            let traced = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
            fetch(addr, "/orders/7", traced).await;
            fetch(addr, "/pay", "").await;
        }
    });
    // Far longer than the deadlines of the admin server's other answers would let it.
    let whole = fetch(admin, "/debug/pprof/profile?seconds=6&hz=250", "").await;
    assert!(whole.0.starts_with("HTTP/1.1 200"), "{}", whole.0);
    assert!(
        whole.0.contains("content-disposition: attachment; filename=\"profile\""),
        "{}",
        whole.0
    );
    let text = inflated(&whole.1);
    for told in ["0af7651916cd43dd8448eb211c80319c", "/orders/{id}", "/pay", "burns_for_an_order"] {
        assert!(text.contains(told), "{told} is not in the profile");
    }
    let cut = fetch(admin, "/debug/pprof/profile?seconds=2&hz=250&route=/pay", "").await;
    let text = inflated(&cut.1);
    assert!(text.contains("burns_for_a_payment") && !text.contains("burns_for_an_order"));
    load.abort();

    let (_, metrics) = fetch(admin, "/metrics", "").await;
    let metrics = String::from_utf8(metrics).unwrap();
    assert!(metrics.contains("obs_profile_samples_total"), "{metrics}");
    let (_, index) = fetch(admin, "/debug/pprof/", "").await;
    assert!(String::from_utf8(index).unwrap().contains("flamegraph"));
    lifecycle.shut_down();
    serving.await.unwrap().unwrap();
}

fn inflated(pprof: &[u8]) -> String {
    let mut message = Vec::new();
    flate2::read::GzDecoder::new(pprof).read_to_end(&mut message).unwrap();
    String::from_utf8_lossy(&message).into_owned()
}

#[test]
fn profiling_is_off_by_default() {
    let explained = Config::new("orders").environment(|_| None).explain().unwrap();
    let row = explained.rows().find(|(name, ..)| *name == "profiling").unwrap();
    assert_eq!(row.1, "false");
}
