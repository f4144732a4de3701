//! Panics, in a process of their own: the hook is the process's.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

mod common;

use std::time::Duration;

use common::{Kept, builder};
use obs_errors::Kind;
use tracing::error;

#[test]
fn panic_is_captured_once_with_stack_and_place() {
    let kept = Kept::default();
    let (layer, errors) =
        builder().limit(5, Duration::from_secs(3600)).sink(kept.sink()).build().unwrap();
    let earlier_called = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let calls = earlier_called.clone();
    std::panic::set_hook(Box::new(move |_| {
        calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        // As obs-logging's hook does: it is the same panic, not another error.
        error!(target: "panic", "the panic's line");
    }));
    errors.install_panic_hook();
    let dispatch = common::dispatch(layer);
    fn orders_fail() {
        panic!("order {} failed", 17);
    }
    tracing::dispatcher::with_default(&dispatch, || {
        std::panic::catch_unwind(orders_fail).unwrap_err();
        std::thread::Builder::new()
            .name("worker-7".to_owned())
            .spawn(|| panic!("in a thread of its own"))
            .unwrap()
            .join()
            .unwrap_err();
        // A storm from one place.
        for _ in 0..100_000 {
            std::panic::catch_unwind(|| std::panic::panic_any(7)).unwrap_err();
        }
    });
    let flushed = errors.flush(Duration::from_secs(60));
    assert_eq!((flushed.delivered, flushed.lost, flushed.unknown), (7, 0, 0));
    assert_eq!(earlier_called.load(std::sync::atomic::Ordering::Relaxed), 100_002);
    let reports = kept.reports();
    assert!(reports.iter().all(|report| report.kind == Kind::Panic), "{reports:#?}");
    assert_eq!(reports[0].chain[0].message, "order 17 failed");
    let first = &reports[0].stack[0];
    assert!(first.function.contains("orders_fail"), "{:#?}", reports[0].stack);
    assert_eq!(reports[1].thread.as_deref(), Some("worker-7"));
    assert_eq!(reports[2].chain[0].message, "the panic's payload is no text");
    let places = errors.places();
    assert_eq!(places[0]["count"], 100_000);
    assert_eq!(places[0]["type"], "panic");
}
