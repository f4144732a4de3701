//! A hangup reopens the files, and whoever handled it before still hears of it. A process has one
//! handler a signal: everything is in one test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]
#![allow(unsafe_code, reason = "handles and sends signals")]
#![cfg(unix)]

mod common;

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use obs_logging::{Builder, Delivery, Format, Output};
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;
use tracing_subscriber::layer::SubscriberExt;

static EARLIER: AtomicU32 = AtomicU32::new(0);

extern "C" fn earlier(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: a handler with SA_SIGINFO is given a valid pointer.
    if unsafe { (*info).si_signo } == signal {
        EARLIER.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn hangup_reaches_earlier_handlers_and_tokio() {
    // SAFETY: zero is valid in every field; the handler has the signature that the flag asks for.
    let done = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = earlier as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        libc::sigaction(libc::SIGHUP, &raw const action, std::ptr::null_mut())
    };
    assert_eq!(done, 0);
    let mut before = signal(SignalKind::hangup()).unwrap();
    obs_logging::reopen_files_on_hangup().unwrap();
    obs_logging::reopen_files_on_hangup().unwrap();
    let mut after = signal(SignalKind::hangup()).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log");
    let (layer, _logging) = Builder::new()
        .format(Format::Json)
        .output(Output::file(&path))
        .delivery(Delivery::Blocking)
        .build()
        .unwrap();
    let subscriber = tracing_subscriber::registry().with(layer);
    let _default = tracing::subscriber::set_default(subscriber);
    for n in 1..4_u32 {
        info!(n, "before");
        fs::rename(&path, folder.path().join(format!("app.log.{n}"))).unwrap();
        // SAFETY: the signal is handled.
        assert_eq!(unsafe { libc::raise(libc::SIGHUP) }, 0);
        info!(n, "after");
        for stream in [&mut before, &mut after] {
            let heard = tokio::time::timeout(Duration::from_secs(60), stream.recv()).await;
            assert_eq!(heard, Ok(Some(())));
        }
        assert_eq!(EARLIER.load(Ordering::SeqCst), n);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("after") && !text.contains("before"), "{text}");
    }
}
