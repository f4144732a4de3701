//! A thread that fails waits for nobody who looks symbols up.
#![cfg(not(windows))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

mod common;

use std::ffi::c_void;
use std::sync::mpsc::channel;
use std::time::Duration;

use common::{Kept, builder};

#[test]
fn error_is_captured_while_symbols_are_resolved() {
    let kept = Kept::default();
    let (_layer, errors) = builder().sink(kept.sink()).build().unwrap();
    let (begun, has_begun) = channel();
    let (release, released) = channel::<()>();
    // Holds the lock of the crate that looks symbols up, as it does for as long as it reads a program.
    let reader = std::thread::spawn(move || {
        // Addresses of stacks are those behind a call.
        let here = error_is_captured_while_symbols_are_resolved as fn() as *mut c_void;
        let here = here.wrapping_byte_add(1);
        let mut waited = false;
        backtrace::resolve(here, |_| {
            if !std::mem::replace(&mut waited, true) {
                begun.send(()).unwrap();
                let _released = released.recv_timeout(Duration::from_secs(120));
            }
        });
    });
    has_begun.recv_timeout(Duration::from_secs(60)).unwrap();
    let (told, is_told) = channel();
    std::thread::scope(|scope| {
        let errors = &errors;
        scope.spawn(move || told.send(errors.capture(&std::fmt::Error)).unwrap());
        let captured = is_told.recv_timeout(Duration::from_secs(60));
        release.send(()).unwrap();
        assert!(captured.expect("it waits for the lock").is_some());
    });
    reader.join().unwrap();
    assert!(errors.flush(Duration::from_secs(60)).complete());
    let [report] = kept.reports().try_into().unwrap();
    let file = report.stack.first().and_then(|frame| frame.file.as_deref()).unwrap_or_default();
    assert!(file.ends_with("unblocked.rs"), "{:#?}", report.stack);
}
