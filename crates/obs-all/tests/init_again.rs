//! An `init` that failed has changed nothing of the process.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::net::TcpListener;
use std::time::Duration;

use obs_all::Config;

#[test]
fn init_after_failed_init_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let config =
        || Config::new("orders").environment(|_| None).log_output(log.display().to_string());
    let failed = config().admin_addr(taken.local_addr().ok()).init().unwrap_err();
    assert!(!failed.is_initialised(), "{failed}");
    // What `main` prints of it is the sentence.
    assert_eq!(format!("{failed:?}"), failed.to_string());
    tracing::info!("into nothing");

    let obs = config().admin_addr(Some(([127, 0, 0, 1], 0).into())).init().unwrap();
    tracing::info!("a line");
    log::info!("a record");
    assert!(obs.flush(Duration::from_secs(60)));
    let lines = std::fs::read_to_string(&log).unwrap();
    assert!(lines.contains("a line") && lines.contains("a record"), "{lines}");
    assert!(!lines.contains("into nothing"), "{lines}");
    let again = config().admin_addr(None).init().unwrap_err();
    assert!(again.is_initialised(), "{again}");
}
