//! The set-up of the guide, beside `tracing-subscriber` with its default features. One test: a process has one logger.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use common::kept;
use obs_logging::Builder;

#[test]
fn bridge_beside_tracing_log_writes_records_once() {
    let (dispatch, kept, logging) = kept(Builder::new().filter("info,noisy=off,obs_logging=debug"));
    // What `tracing_subscriber::util::SubscriberInitExt::try_init` does with the feature `tracing-log`.
    tracing::dispatcher::set_global_default(dispatch).unwrap();
    tracing_log::LogTracer::init().unwrap();
    obs_logging::bridge::install().unwrap();
    assert!(obs_logging::bridge::install().is_ok(), "a second time changes nothing");
    log::info!(target: "sqlx::pool", "acquired {}", 3);
    log::error!(target: "noisy", "unwanted");
    assert!(logging.flush(std::time::Duration::from_secs(60)).complete);
    let lines = kept.lines();
    let events: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(
        events[1..],
        ["acquired 3"],
        "the probe is no line, and records come once: {events:?}"
    );
    assert!(events[0].contains("tracing-log"), "{events:?}");
    assert_eq!((&lines[1]["target"], &lines[1]["level"]), (&"sqlx::pool".into(), &"info".into()));
    assert!(lines[1]["log.target"].is_null(), "{:?}", lines[1]);
}
