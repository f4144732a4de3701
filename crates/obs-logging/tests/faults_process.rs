//! Faults of a whole process, of its disk, and of whoever reads its lines: what is written and what is
//! dropped make up what was emitted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a test says what it skips")]
#![allow(unsafe_code, reason = "limits of the process")]
#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use common::parse;
use obs_logging::{Builder, Counts, Delivery, Format, Logging, Output, WhenFull};
use tracing::{Dispatch, info};
use tracing_subscriber::layer::SubscriberExt;

const LONG: Duration = Duration::from_secs(60);
const QUEUED: Delivery =
    Delivery::NonBlocking { buffer_bytes: 1 << 20, when_full: WhenFull::Block };

fn logging(output: Output, delivery: Delivery) -> (Dispatch, Logging) {
    let builder = Builder::new().format(Format::Json).output(output).delivery(delivery);
    let (layer, logging) = builder.build().unwrap();
    (Dispatch::new(tracing_subscriber::registry().with(layer)), logging)
}

fn assert_balanced(counts: Counts) {
    assert_eq!(counts.emitted, counts.written + counts.dropped, "{counts:?}");
}

/// Fills what `path` is on, makes room, and looks whether everything adds up.
fn fill_and_make_room(path: &Path, delivery: Delivery, make_room: impl FnOnce()) {
    let (dispatch, logging) = logging(Output::file(path), delivery);
    tracing::dispatcher::with_default(&dispatch, || {
        (0..2000).for_each(|n| info!(n, "before"));
        assert!(logging.flush(LONG).complete);
        let full = logging.counts();
        assert_balanced(full);
        assert!(full.written > 10 && full.dropped > 100, "{full:?}");
        make_room();
        (0..50).for_each(|n| info!(n, "after"));
        assert!(logging.shutdown(LONG).complete);
        let counts = logging.counts();
        assert_balanced(counts);
        assert_eq!(counts.dropped, full.dropped, "there was room");
        let text = fs::read_to_string(path).unwrap();
        let is_line = |line: &&str| serde_json::from_str::<serde_json::Value>(line).is_ok();
        assert_eq!(text.lines().filter(is_line).count() as u64, counts.written);
        assert_eq!(text.matches("\"event\":\"after\"").count(), 50);
        assert!(text.contains("log lines were dropped"));
    });
}

/// Gives the room of a file back, also while a process that another test is just starting holds it.
fn free(path: &Path) {
    fs::File::options().write(true).open(path).unwrap().set_len(0).unwrap();
    fs::remove_file(path).unwrap();
}

#[test]
fn full_file_system_is_written_again_after_space_is_freed() {
    let folder = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=128k", "tmpfs"])
        .arg(folder.path())
        .stderr(Stdio::null())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("skipped: this process may not mount a small tmpfs");
        return;
    }
    for (name, delivery) in [("blocking", Delivery::Blocking), ("queued", QUEUED)] {
        let ballast = folder.path().join("ballast");
        fs::write(&ballast, vec![0; 64 * 1024]).unwrap();
        let path = folder.path().join(name);
        fill_and_make_room(&path, delivery, || free(&ballast));
        free(&path);
    }
    // Lazily: a process that another test is just starting may still hold a file of it.
    let umount = Command::new("umount").arg("--lazy").arg(folder.path()).status();
    assert!(umount.unwrap().success());
}

/// Not a test of its own: what the next ones run as another process.
#[test]
fn child() {
    let Ok(mode) = std::env::var("OBS_LOGGING_CHILD") else { return };
    let delivery = if mode.ends_with("queued") { QUEUED } else { Delivery::Blocking };
    if mode.starts_with("file size") {
        return drops_lines_at_file_size_limit(delivery);
    }
    let (dispatch, logging) = logging(Output::stdout(), delivery);
    tracing::dispatcher::set_global_default(dispatch).unwrap();
    std::panic::set_hook(Box::new(|_| {}));
    obs_logging::panic::install(&logging);
    (0..5000).for_each(|n| info!(n, "line"));
    if mode.starts_with("panic") {
        extern "C" fn does_not_unwind() {
            panic!("the last words");
        }
        does_not_unwind();
    }
    if mode.ends_with("queued") {
        assert!(logging.flush(LONG).complete);
    }
    std::process::abort();
}

fn drops_lines_at_file_size_limit(delivery: Delivery) {
    let limit = |bytes: u64| {
        let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
        // SAFETY: the structure is ours and whole.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) }, 0);
    };
    // SAFETY: from here on a write past the limit fails instead of ending the process.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    let folder = tempfile::tempdir().unwrap();
    limit(40_000);
    fill_and_make_room(&folder.path().join("app.log"), delivery, || limit(libc::RLIM_INFINITY));
}

/// What the child wrote, and whether it ended well.
fn run_child(mode: &str) -> (String, bool) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env("OBS_LOGGING_CHILD", mode)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    (text, child.wait().unwrap().success())
}

#[test]
fn file_at_size_limit_drops_lines_until_limit_is_raised() {
    for mode in ["file size", "file size queued"] {
        let (text, is_well) = run_child(mode);
        assert!(is_well, "{mode}: {text}");
    }
}

#[test]
fn abort_keeps_flushed_lines_and_aborting_panic_flushes() {
    for mode in ["abort", "abort queued", "panic", "panic queued"] {
        let (text, is_well) = run_child(mode);
        assert!(!is_well);
        // The test harness may have begun the first line.
        let lines: Vec<_> =
            text.lines().filter_map(|line| line.find('{').map(|start| &line[start..])).collect();
        let events = lines.iter().map(|line| parse(line)["event"].clone());
        assert_eq!(events.filter(|event| event == "line").count(), 5000, "{mode}");
        assert_eq!(text.contains("the last words"), mode.starts_with("panic"), "{mode}");
    }
}

#[test]
fn lines_after_killed_reader_are_dropped_and_counted() {
    for delivery in [Delivery::Blocking, QUEUED] {
        let mut reader =
            Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let pipe = reader.stdin.take().unwrap();
        let (dispatch, logging) = logging(Output::writer(pipe), delivery);
        let mut read = reader.stdout.take().unwrap();
        tracing::dispatcher::with_default(&dispatch, || {
            (0..100).for_each(|n| info!(n, "read"));
            assert!(logging.flush(LONG).complete);
            let mut seen = String::new();
            while seen.lines().count() < 100 || !seen.ends_with('\n') {
                let mut part = [0; 4096];
                let more = read.read(&mut part).unwrap();
                assert!(more > 0);
                seen.push_str(std::str::from_utf8(&part[..more]).unwrap());
            }
            reader.kill().unwrap(); // SIGKILL
            reader.wait().unwrap();
            (0..1000).for_each(|n| info!(n, "unread"));
        });
        assert!(logging.shutdown(LONG).complete);
        let counts = logging.counts();
        assert_balanced(counts);
        // Another test may start a process at this moment, which holds the pipe open for a while.
        assert!(counts.emitted == 1100 && counts.written >= 100, "{counts:?}");
        assert!(counts.dropped > 0 || counts.write_errors == 0, "{counts:?}");
    }
}

#[test]
fn panicking_debug_on_many_threads_drops_no_line() {
    struct Panics;
    impl std::fmt::Debug for Panics {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            std::panic::resume_unwind(Box::new("in Debug"))
        }
    }
    let (dispatch, logging) = logging(Output::writer(io::sink()), QUEUED);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                tracing::dispatcher::with_default(&dispatch, || {
                    (0..500).for_each(|n| info!(n, value = ?Panics, "line"));
                });
            });
        }
    });
    assert!(logging.shutdown(LONG).complete);
    let counts = logging.counts();
    assert_eq!((counts.emitted, counts.written, counts.dropped), (2000, 2000, 0));
}
