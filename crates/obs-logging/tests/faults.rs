//! Outputs that fail in every way: what is written and what is dropped make up what was emitted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]
#![allow(unsafe_code, reason = "forks")]

mod common;

use std::io::{self, Read, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use common::{Kept, parse};
use obs_logging::{Builder, Counts, Delivery, Format, Logging, Output, WhenFull};
use tracing::{Dispatch, info, warn};
use tracing_subscriber::layer::SubscriberExt;

const LONG: Duration = Duration::from_secs(60);

fn queued(output: Output, buffer_bytes: usize, when_full: WhenFull) -> (Dispatch, Logging) {
    let (layer, logging) = Builder::new()
        .format(Format::Json)
        .output(output)
        .delivery(Delivery::NonBlocking { buffer_bytes, when_full })
        .build()
        .unwrap();
    (Dispatch::new(tracing_subscriber::registry().with(layer)), logging)
}

/// A process that is just being started holds copies of all pipes: not while one is to be closed.
static STARTING: Mutex<()> = Mutex::new(());

fn assert_balanced(counts: Counts) {
    assert_eq!(counts.emitted, counts.written + counts.dropped, "{counts:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn full_disk_drops_and_counts_lines() {
    for delivery in [
        Delivery::Blocking,
        Delivery::NonBlocking { buffer_bytes: 1 << 20, when_full: WhenFull::Block },
    ] {
        let (layer, logging) = Builder::new()
            .format(Format::Json)
            .output(Output::file("/dev/full"))
            .delivery(delivery)
            .build()
            .unwrap();
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
        tracing::dispatcher::with_default(&dispatch, || (0..1000).for_each(|n| info!(n, "line")));
        let report = logging.shutdown(LONG);
        assert!(report.complete);
        let counts = logging.counts();
        assert_eq!((counts.emitted, counts.written, counts.dropped), (1000, 0, 1000));
        assert!(counts.write_errors > 0);
    }
}

#[test]
#[cfg(unix)]
fn closed_pipe_drops_and_counts_lines() {
    let _alone = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    let (reader, writer) = io::pipe().unwrap();
    let (dispatch, logging) = queued(Output::writer(writer), 1 << 20, WhenFull::Block);
    tracing::dispatcher::with_default(&dispatch, || {
        info!("read");
        assert!(logging.flush(LONG).complete);
        drop(reader);
        (0..100).for_each(|n| info!(n, "unread"));
    });
    logging.shutdown(LONG);
    let counts = logging.counts();
    assert_eq!((counts.emitted, counts.written, counts.dropped), (101, 1, 100));
}

/// Takes a few bytes at a time, and fails now and then.
struct Flaky {
    kept: Kept,
    calls: usize,
}

impl Write for Flaky {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.calls += 1;
        match self.calls % 7 {
            0 => Err(io::ErrorKind::Interrupted.into()),
            3 => Err(io::ErrorKind::StorageFull.into()),
            _ => self.kept.write(&bytes[..bytes.len().min(100)]),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn line_after_write_error_begins_on_new_line() {
    let kept = Kept::default();
    let flaky = Flaky { kept: kept.clone(), calls: 0 };
    let (layer, logging) = Builder::new()
        .format(Format::Json)
        .output(Output::writer(flaky))
        .delivery(Delivery::Blocking)
        .build()
        .unwrap();
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    tracing::dispatcher::with_default(&dispatch, || (0..200).for_each(|n| info!(n, "line")));
    let counts = logging.counts();
    assert_balanced(counts);
    assert!(counts.dropped > 0 && counts.written > 0, "{counts:?}");
    let text = kept.text();
    let whole = text.lines().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_ok());
    assert_eq!(whole.count() as u64, counts.written);
    assert!(text.contains("log lines were dropped"));
}

/// Waits at every write until it is opened.
#[derive(Clone, Default)]
struct Gate {
    open: Arc<AtomicBool>,
    entered: Arc<AtomicBool>,
    kept: Kept,
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.entered.store(true, Ordering::Release);
        while !self.open.load(Ordering::Acquire) {
            thread::sleep(Duration::from_millis(1));
        }
        self.kept.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn slow_output_never_blocks_and_log_has_dropped_count() {
    let gate = Gate::default();
    let (dispatch, logging) = queued(Output::writer(gate.clone()), 64 * 1024, WhenFull::DropNewest);
    tracing::dispatcher::with_default(&dispatch, || (0..20_000).for_each(|n| info!(n, "line")));
    let counts = logging.counts();
    assert_eq!(counts.emitted, 20_000);
    assert!(counts.dropped > 10_000, "{counts:?}");
    gate.open.store(true, Ordering::Release);
    assert!(logging.shutdown(LONG).complete);
    let counts = logging.counts();
    assert_balanced(counts);
    let lines = gate.kept.lines();
    assert_eq!(lines.len() as u64, counts.written);
    let said: u64 = lines
        .iter()
        .filter(|line| line["event"] == "log lines were dropped")
        .map(|line| line["dropped"].as_u64().unwrap())
        .sum();
    assert_eq!(said, counts.dropped);
}

#[test]
fn last_quarter_of_queue_is_kept_for_warnings() {
    let gate = Gate::default();
    let when_full = WhenFull::DropBelow(tracing::Level::WARN);
    let (dispatch, logging) = queued(Output::writer(gate.clone()), 64 * 1024, when_full);
    tracing::dispatcher::with_default(&dispatch, || {
        (0..5000).for_each(|n| info!(n, "line"));
        let before = logging.counts().dropped;
        assert!(before > 0);
        (0..20).for_each(|n| warn!(n, "important"));
        assert_eq!(logging.counts().dropped, before);
    });
    gate.open.store(true, Ordering::Release);
    assert!(logging.shutdown(LONG).complete);
    let important = gate.kept.lines().iter().filter(|line| line["event"] == "important").count();
    assert_eq!(important, 20);
    assert_balanced(logging.counts());
}

#[test]
fn queue_blocking_when_full_drops_no_line() {
    let gate = Gate::default();
    let (dispatch, logging) = queued(Output::writer(gate.clone()), 16 * 1024, WhenFull::Block);
    let opener = thread::spawn({
        let open = gate.open.clone();
        move || {
            thread::sleep(Duration::from_millis(50));
            open.store(true, Ordering::Release);
        }
    });
    thread::scope(|scope| {
        for thread in 0..4 {
            let dispatch = &dispatch;
            scope.spawn(move || {
                tracing::dispatcher::with_default(dispatch, || {
                    (0..2000).for_each(|n| info!(thread, n, "line"));
                });
            });
        }
    });
    opener.join().unwrap();
    assert!(logging.shutdown(LONG).complete);
    let counts = logging.counts();
    assert_eq!((counts.emitted, counts.written, counts.dropped), (8000, 8000, 0));
    let lines = gate.kept.lines();
    for thread in 0..4 {
        let of_thread = lines.iter().filter(|line| line["thread"] == thread);
        let numbers: Vec<_> = of_thread.map(|line| line["n"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (0..2000).collect::<Vec<_>>(), "a thread's lines keep their order");
    }
}

#[test]
fn shutdown_of_stuck_output_keeps_deadline_and_counts_dropped() {
    let gate = Gate::default();
    let (dispatch, logging) = queued(Output::writer(gate.clone()), 1 << 20, WhenFull::DropNewest);
    tracing::dispatcher::with_default(&dispatch, || {
        info!("taken by the writer");
        while !gate.entered.load(Ordering::Acquire) {
            thread::sleep(Duration::from_millis(1));
        }
        (0..100).for_each(|n| info!(n, "waiting"));
        let report = logging.shutdown(Duration::from_millis(50));
        assert!(!report.complete);
        assert!(report.dropped >= 100, "{report:?}");
        info!("late");
    });
    gate.open.store(true, Ordering::Release);
    // The writer counts on its own.
    let end = Instant::now() + LONG;
    let mut counts = logging.counts();
    while counts.emitted != counts.written + counts.dropped && Instant::now() < end {
        thread::sleep(Duration::from_millis(5));
        counts = logging.counts();
    }
    assert_balanced(counts);
    assert!(counts.written >= 1, "what the writer had taken: {counts:?}");
}

#[test]
fn lines_after_shutdown_are_written() {
    let kept = Kept::default();
    let (dispatch, logging) = queued(Output::writer(kept.clone()), 1 << 20, WhenFull::DropNewest);
    tracing::dispatcher::with_default(&dispatch, || {
        info!("early");
        let first = logging.shutdown(LONG);
        assert_eq!((first.written, first.dropped, first.complete), (1, 0, true));
        info!("late");
        drop(logging);
        info!("later");
    });
    let events: Vec<_> = kept.lines().iter().map(|line| line["event"].clone()).collect();
    assert_eq!(events, ["early", "late", "later"]);
}

#[test]
fn panicking_or_logging_writer_keeps_counts_balanced() {
    #[derive(Default)]
    struct Bad {
        calls: usize,
        own: Arc<Mutex<Option<Dispatch>>>,
    }
    impl Write for Bad {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.calls += 1;
            let own = self.own.lock().unwrap().clone();
            if let Some(own) = own {
                tracing::dispatcher::with_default(&own, || info!("from inside the writer"));
            }
            assert!(self.calls > 1, "the writer panics");
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for is_blocking in [true, false] {
        let bad = Bad::default();
        let own = bad.own.clone();
        let delivery = match is_blocking {
            true => Delivery::Blocking,
            false => Delivery::NonBlocking { buffer_bytes: 4096, when_full: WhenFull::Block },
        };
        let (layer, logging) = Builder::new()
            .format(Format::Json)
            .output(Output::writer(bad))
            .delivery(delivery)
            .build()
            .unwrap();
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
        // With blocking delivery the writer runs inside the dispatcher, which tracing itself guards.
        *own.lock().unwrap() = (!is_blocking).then(|| dispatch.clone());
        tracing::dispatcher::with_default(&dispatch, || {
            info!("first");
            logging.flush(LONG);
            info!("second");
            logging.flush(LONG);
        });
        *own.lock().unwrap() = None;
        logging.shutdown(LONG);
        let counts = logging.counts();
        assert_balanced(counts);
        assert!(counts.write_errors >= 1 && counts.written >= 1, "{counts:?}");
    }
}

/// Not a test of its own: what the next ones run as another process.
#[test]
fn child() {
    let Ok(mode) = std::env::var("OBS_LOGGING_CHILD") else { return };
    let (layer, logging) = Builder::new().format(Format::Json).build().unwrap();
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    tracing::dispatcher::set_global_default(dispatch).unwrap();
    match &*mode {
        "exit" => {
            (0..10_000).for_each(|n| info!(n, "line"));
            std::process::exit(0);
        }
        "fork" => {
            info!("parent");
            // SAFETY: the child logs, and leaves without running anything of the parent's.
            let child = unsafe { libc::fork() };
            if child == 0 {
                (0..1000).for_each(|n| info!(n, "child"));
                let counts = logging.counts();
                let balanced = counts.emitted == counts.written + counts.dropped;
                // SAFETY: ends the child at once.
                unsafe { libc::_exit(i32::from(!balanced)) };
            }
            let mut status = 0;
            // SAFETY: waits for the child from above.
            unsafe { libc::waitpid(child, &mut status, 0) };
            info!(status, "parent again");
            std::process::exit(0);
        }
        other => panic!("no such mode: {other}"),
    }
}

fn run_child(mode: &str) -> Vec<common::Line> {
    let alone = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env("OBS_LOGGING_CHILD", mode)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(alone);
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success());
    // The test harness may have begun the first line.
    text.lines().filter_map(|line| line.find('{').map(|start| parse(&line[start..]))).collect()
}

#[test]
#[cfg(unix)]
fn process_exit_keeps_every_line() {
    let lines = run_child("exit");
    assert_eq!(lines.len(), 10_000);
}

#[test]
#[cfg(unix)]
fn forked_child_neither_hangs_nor_repeats_parents_lines() {
    let lines = run_child("fork");
    let count = |event: &str| lines.iter().filter(|line| line["event"] == event).count();
    assert_eq!(count("parent"), 1);
    let again = lines.iter().find(|line| line["event"] == "parent again").unwrap();
    assert_eq!(again["status"], 0);
    assert!(count("child") == 1000 || count("child") == 0, "{}", count("child"));
}
