//! What belongs to the application panics: its writer, its waker.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use obs_profiling::{CpuProfiler, Format, Recording};

/// The process has one profile at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn recording() -> Recording {
    Recording { rate: 250, duration: Duration::from_millis(50) }
}

/// At each call: one while the first unwinds would end the process.
struct Panics;

impl Write for Panics {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        panic!("the writer panics")
    }

    fn flush(&mut self) -> io::Result<()> {
        panic!("the writer panics")
    }
}

#[test]
fn panicking_writer_unwinds_to_caller() {
    let _alone = alone();
    let profile = CpuProfiler::start(recording()).unwrap().wait().unwrap();
    let formats = [Format::Svg, Format::Pprof, Format::Folded, Format::Speedscope, Format::Firefox];
    for format in formats {
        let written = catch_unwind(AssertUnwindSafe(|| profile.write(format, Panics)));
        let payload = written.unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&"the writer panics"), "{format:?}");
    }
}

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("the waker panics")
    }
}

fn caught() -> u64 {
    let mut places = obs_guard::panics();
    places.find(|(name, _)| *name == "profiling.waker").map_or(0, |(_, count)| count)
}

#[test]
fn panicking_waker_is_counted_and_keeps_profile() {
    let _alone = alone();
    let waker = Waker::from(Arc::new(Panics));
    let mut profiler = CpuProfiler::start(recording()).unwrap();
    let polled = Pin::new(&mut profiler).poll(&mut Context::from_waker(&waker));
    assert!(matches!(polled, Poll::Pending));
    let begun = Instant::now();
    while caught() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(120), "it was not counted");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(caught(), 1);
    profiler.wait().unwrap();
}
