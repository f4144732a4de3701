//! A signal between `init` and `serve`.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::time::Duration;

use axum::Router;
use obs_all::Config;
use obs_all::health::lifecycle::Stage;
use rustix::process::{Signal, getpid, kill_process};
use tokio::net::TcpListener;

#[tokio::test]
async fn signal_before_serve_shuts_down_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log").display().to_string();
    let written = log.clone();
    let obs = Config::new("orders")
        .environment(move |name| match name {
            "OBS_ADMIN_ADDR" => Some("127.0.0.1:0".into()),
            "OBS_LOG_OUTPUT" => Some(log.clone()),
            // Nothing balances load to a service that was never up.
            "OBS_SHUTDOWN_PROPAGATION" => Some("600s".into()),
            _ => None,
        })
        .init()
        .unwrap();
    kill_process(getpid(), Signal::TERM).unwrap();
    while !std::fs::read_to_string(&written).unwrap_or_default().contains("SIGTERM") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let report = obs.serve(listener, Router::new()).await.unwrap();
    assert!(report.is_clean(), "{report}");
    let propagated = report.stage(Stage::Propagation).unwrap().took;
    assert!(propagated < Duration::from_secs(10), "{report}");
    let lines = std::fs::read_to_string(written).unwrap();
    assert!(lines.contains("shutdown complete"), "{lines}");
}
