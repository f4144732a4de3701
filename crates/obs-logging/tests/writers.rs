//! Writers that refuse, that would block, and that are stuck.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod common;

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use common::Kept;
use obs_logging::{Builder, Counts, Delivery, Format, Logging, Output, WhenFull};
use tracing::{Dispatch, info};
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

fn assert_balanced(counts: Counts) {
    assert_eq!(counts.emitted, counts.written + counts.dropped, "{counts:?}");
}

/// Refuses each line with a word in it, and keeps the others.
struct Refuses(Kept, Arc<AtomicBool>);

impl Write for Refuses {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        while !self.1.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(1));
        }
        let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1);
        if bytes[..end].windows(6).any(|word| word == b"refuse") {
            return Err(io::Error::other("refused"));
        }
        self.0.write(&bytes[..end])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn lines_after_rejected_line_in_batch_are_written() {
    let (kept, is_open) = (Kept::default(), Arc::new(AtomicBool::new(false)));
    let output = Output::writer(Refuses(kept.clone(), is_open.clone()));
    let (dispatch, logging) = queued(output, 1 << 20, WhenFull::Block);
    tracing::dispatcher::with_default(&dispatch, || {
        for n in 0..1000 {
            let word = if n % 10 == 3 { "refuse" } else { "take" };
            info!(n, word, "line");
        }
    });
    is_open.store(true, Ordering::SeqCst);
    assert!(logging.shutdown(LONG).complete);
    let counts = logging.counts();
    assert_eq!((counts.dropped, counts.write_errors), (100, 100));
    assert_balanced(counts);
    let taken = kept.lines().iter().filter(|line| line["word"] == "take").count();
    assert_eq!(taken, 900);
}

/// Would block for good.
struct Blocked(Arc<Mutex<u32>>);

impl Write for Blocked {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn blocked_writer_is_awaited_once_per_batch() {
    let tries = Arc::new(Mutex::new(0));
    let (dispatch, logging) =
        queued(Output::writer(Blocked(tries.clone())), 1 << 20, WhenFull::Block);
    tracing::dispatcher::with_default(&dispatch, || (0..500).for_each(|n| info!(n, "line")));
    assert!(logging.shutdown(LONG).complete);
    let counts = logging.counts();
    assert_eq!((counts.written, counts.dropped), (0, 500));
    assert!(counts.write_errors < 100, "{counts:?}");
    assert!(*tries.lock().unwrap() > 0);
}

/// Comes back from its first write; what it does next is stuck until the end of the test.
struct StuckLater {
    calls: u32,
    in_flush: bool,
    open: Arc<AtomicBool>,
}

impl StuckLater {
    fn call(&mut self) {
        self.calls += 1;
        while self.calls > 1 && !self.open.load(Ordering::Acquire) {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Write for StuckLater {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.call();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.in_flush {
            self.call();
        }
        Ok(())
    }
}

#[test]
fn writer_blocking_on_second_call_keeps_shutdown_deadline() {
    for in_flush in [false, true] {
        let open = Arc::new(AtomicBool::new(false));
        let writer = StuckLater { calls: 0, in_flush, open: open.clone() };
        let (dispatch, logging) = queued(Output::writer(writer), 1 << 20, WhenFull::DropNewest);
        let (tell, told) = std::sync::mpsc::channel();
        let logs = thread::spawn(move || {
            tracing::dispatcher::with_default(&dispatch, || info!("first"));
            logging.flush(Duration::from_millis(50));
            tracing::dispatcher::with_default(&dispatch, || info!("second"));
            let report = logging.shutdown(Duration::from_millis(50));
            drop(logging);
            let _test_is_over = tell.send(report.complete);
        });
        let is_complete = told.recv_timeout(LONG);
        open.store(true, Ordering::Release);
        assert_eq!(is_complete, Ok(false), "in flush: {in_flush}");
        logs.join().unwrap();
    }
}
