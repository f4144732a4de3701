//! Writers that many threads call at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod common;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{Kept, parse};
use obs_logging::{Builder, Delivery, Format, Logging, Output};
use tracing::{Dispatch, info};
use tracing_subscriber::layer::SubscriberExt;

fn shared(output: Output) -> (Dispatch, Logging) {
    let (layer, logging) = Builder::new()
        .format(Format::Json)
        .delivery(Delivery::Blocking)
        .output(output)
        .build()
        .unwrap();
    (Dispatch::new(tracing_subscriber::registry().with(layer)), logging)
}

fn on_threads(dispatch: &Dispatch, lines: u64) {
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                tracing::dispatcher::with_default(dispatch, || {
                    (0..lines).for_each(|n| info!(thread, n, "line"));
                });
            });
        }
    });
}

#[test]
fn lines_of_many_threads_stay_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.log");
    let file = OpenOptions::new().create(true).append(true).open(&path).unwrap();
    let (dispatch, logging) = shared(Output::shared_writer(file));
    on_threads(&dispatch, 2000);
    assert!(logging.flush(Duration::from_secs(60)).complete);
    let text = std::fs::read_to_string(&path).unwrap();
    let counts = logging.counts();
    assert_eq!((counts.emitted, counts.written, counts.dropped), (8000, 8000, 0));
    assert_eq!(counts.bytes, text.len() as u64);
    let lines: Vec<_> = text.lines().map(parse).collect();
    for thread in 0..4 {
        let of_thread = lines.iter().filter(|line| line["thread"] == thread);
        let numbers: Vec<_> = of_thread.map(|line| line["n"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (0..2000).collect::<Vec<_>>());
    }
}

#[test]
#[cfg(target_os = "linux")]
fn lines_rejected_by_full_disk_are_counted() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let (dispatch, logging) = shared(Output::shared_writer(full));
    on_threads(&dispatch, 100);
    let counts = logging.counts();
    assert_eq!((counts.emitted, counts.written, counts.dropped), (400, 0, 400));
    assert_eq!(counts.write_errors, 400);
}

/// Takes half a line, fails with the other half, and now and then panics.
struct Flaky {
    kept: Mutex<Kept>,
    calls: AtomicUsize,
}

impl Write for &Flaky {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        match call % 10 {
            3 => self.kept.lock().unwrap().write(&bytes[..bytes.len() / 2]),
            4 => Err(io::ErrorKind::StorageFull.into()),
            6 => Err(io::ErrorKind::Interrupted.into()),
            8 => panic!("in the writer"),
            _ => self.kept.lock().unwrap().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn torn_line_is_ended_and_log_has_dropped_count() {
    let kept = Kept::default();
    let flaky = Flaky { kept: Mutex::new(kept.clone()), calls: AtomicUsize::new(0) };
    let (dispatch, logging) = shared(Output::shared_writer(flaky));
    tracing::dispatcher::with_default(&dispatch, || (0..100).for_each(|n| info!(n, "line")));
    let counts = logging.counts();
    assert_eq!(counts.emitted, counts.written + counts.dropped, "{counts:?}");
    assert!(counts.dropped > 20 && counts.written > 50, "{counts:?}");
    let text = kept.text();
    let whole = text.lines().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_ok());
    assert_eq!(whole.count() as u64, counts.written);
    assert!(text.contains("log lines were dropped"));
}
