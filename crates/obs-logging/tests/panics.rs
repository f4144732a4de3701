//! What a panic leaves on the two streams of a process.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

use std::process::Command;

use obs_logging::{Builder, Output};
use tracing_subscriber::layer::SubscriberExt;

/// Not a test of its own: what the others run as another process.
#[test]
fn child() {
    let Ok(filter) = std::env::var("OBS_LOGGING_PANICS") else { return };
    let (layer, logging) = Builder::new().filter(&filter).output(Output::stdout()).build().unwrap();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
    obs_logging::panic::install(&logging);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let ended = runtime.block_on(async { tokio::spawn(deep_inside()).await });
    assert!(ended.is_err());
}

#[inline(never)]
async fn deep_inside() {
    panic!("out of cheese");
}

/// The lines that are JSON, and standard error.
fn run(filter: &str, backtrace: &str) -> (Vec<serde_json::Value>, String) {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env("OBS_LOGGING_PANICS", filter)
        .env("RUST_BACKTRACE", backtrace)
        .env_remove("RUST_LIB_BACKTRACE")
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    let text = String::from_utf8(child.stdout).unwrap();
    let lines = text.lines().filter(|line| line.starts_with('{'));
    let lines = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    (lines, String::from_utf8(child.stderr).unwrap())
}

#[test]
fn panic_is_reported_once() {
    let (lines, errors) = run("info", "0");
    assert_eq!(lines[0]["event"], "out of cheese");
    assert!(!errors.contains("out of cheese"), "{errors}");
    assert_eq!(lines[0]["backtrace"], serde_json::Value::Null);
}

#[test]
fn filtered_panic_is_written_to_standard_error() {
    let (lines, errors) = run("info,panic=off", "0");
    assert!(lines.is_empty(), "{lines:?}");
    assert!(errors.contains("out of cheese"), "{errors}");
}

#[test]
fn panic_backtrace_leaves_out_library_frames() {
    let (lines, _) = run("info", "1");
    let calls = lines[0]["backtrace"].as_str().unwrap();
    assert!(calls.contains("panics::deep_inside"), "{calls}");
    assert!(!calls.contains("tokio::") && !calls.contains("std::panicking"), "{calls}");
    assert!(calls.ends_with("calls of libraries left out)"), "{calls}");
    let (lines, _) = run("info", "full");
    let all = lines[0]["backtrace"].as_str().unwrap();
    assert!(all.contains("tokio::") && all.contains("std::panicking"), "{all}");
}
