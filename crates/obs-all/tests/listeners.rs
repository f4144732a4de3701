//! Several listeners, whose handlers see who is at the other end.

#![cfg(feature = "axum")]
#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use obs_all::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn listeners_serve_with_peer_address() {
    let folder = tempfile::tempdir().unwrap();
    let obs = Config::new("orders")
        .environment(|name| (name == "OBS_ADMIN_ADDR").then(|| "off".into()))
        .log_output(folder.path().join("log").display().to_string())
        .propagation(Duration::ZERO)
        .init()
        .unwrap();
    let peer = async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string();
    let app = obs.observe(Router::new().route("/", get(peer)));
    let listeners = [
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
    ];
    let addrs = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
    let lifecycle = obs.lifecycle().clone();
    let serving = tokio::spawn(obs.serve_all(listeners, app));
    for addr in addrs {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let me = stream.local_addr().unwrap().to_string();
        let request = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(&me), "{answer}");
    }
    lifecycle.shut_down();
    let report = tokio::time::timeout(Duration::from_secs(60), serving).await.unwrap();
    let report = report.unwrap().unwrap();
    assert!(report.stages.iter().all(|stage| stage.complete), "{report:?}");
}
