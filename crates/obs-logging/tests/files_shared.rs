//! Several processes that write and rotate one file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]
#![cfg(unix)]

mod common;

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::parse;
use obs_logging::{Builder, Delivery, Format, LogFile, Output, WhenFull};
use tracing::info;
use tracing_subscriber::layer::SubscriberExt;

const LINES: u64 = 20_000;
const PROCESSES: u64 = 4;

/// Not a test of its own: what a child process runs.
#[test]
fn child() {
    let Ok(path) = std::env::var("OBS_TEST_FILE") else { return };
    let process: u64 = std::env::var("OBS_TEST_PROCESS").unwrap().parse().unwrap();
    let (layer, logging) = Builder::new()
        .format(Format::Json)
        .output(Output::log_file(LogFile::new(path).max_bytes(64 * 1024)))
        .delivery(Delivery::NonBlocking { buffer_bytes: 16 * 1024, when_full: WhenFull::Block })
        .build()
        .unwrap();
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::with_default(subscriber, || {
        (0..LINES).for_each(|n| info!(process, n, "line"));
    });
    assert!(logging.shutdown(Duration::from_secs(120)).complete);
    let counts = logging.counts();
    assert_eq!((counts.written, counts.dropped), (LINES, 0), "{counts:?}");
}

fn start(path: &Path, process: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture"])
        .env("OBS_TEST_FILE", path)
        .env("OBS_TEST_PROCESS", process.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn processes_rotating_one_file_lose_no_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log");
    let children: Vec<_> = (0..PROCESSES).map(|process| start(&path, process)).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let mut seen = HashSet::new();
    let mut files = 0;
    for entry in fs::read_dir(folder.path()).unwrap() {
        files += 1;
        for line in fs::read_to_string(entry.unwrap().path()).unwrap().lines() {
            let line = parse(line);
            let name = (line["process"].as_u64().unwrap(), line["n"].as_u64().unwrap());
            assert!(seen.insert(name), "{name:?} is there twice");
        }
    }
    assert!(files > 20, "{files}");
    assert_eq!(seen.len() as u64, PROCESSES * LINES);
}

/// Not a test of its own: fills a file in a folder that may not be written.
#[test]
fn child_without_rights() {
    let Ok(path) = std::env::var("OBS_TEST_READ_ONLY") else { return };
    let (layer, logging) = Builder::new()
        .format(Format::Json)
        .output(Output::log_file(LogFile::new(path).max_bytes(1000)))
        .delivery(Delivery::Blocking)
        .build()
        .unwrap();
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::with_default(subscriber, || {
        (0..100_u64).for_each(|n| info!(n, "line"));
    });
    let counts = logging.counts();
    assert_eq!((counts.written, counts.dropped, counts.write_errors), (100, 0, 0));
}

#[test]
fn rotation_without_rename_right_keeps_old_file() {
    use std::os::unix::fs::PermissionsExt;

    const OTHER_USER: u32 = 65534;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log");
    // The test program may lie where nobody else may read.
    let program = folder.path().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::write(&path, "").unwrap();
    if let Err(error) = std::os::unix::fs::chown(&path, Some(OTHER_USER), Some(OTHER_USER)) {
        return obs_testing::impossible(format_args!("only root can become another user: {error}"));
    }
    let readable = || fs::Permissions::from_mode(0o755);
    fs::set_permissions(folder.path(), readable()).unwrap();
    fs::set_permissions(&program, readable()).unwrap();
    let id = OTHER_USER.to_string();
    let status = Command::new("setpriv")
        .args(["--reuid", &id, "--regid", &id, "--clear-groups"])
        .arg(&program)
        .args(["child_without_rights", "--exact", "--nocapture"])
        .env("OBS_TEST_READ_ONLY", &path)
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .status();
    let Ok(status) = status else { return obs_testing::impossible("there is no setpriv") };
    assert!(status.success());
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 100);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}
