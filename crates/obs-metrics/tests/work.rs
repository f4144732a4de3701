//! Metrics around closures and futures, also those that panic, fail or are dropped.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Waker};

use obs_metrics::{Buckets, Registry};

#[test]
fn closure_is_timed_tracked_and_error_counted() {
    let registry = Registry::new();
    let waits = registry.histogram("wait_seconds", "Wait.", Buckets::default()).unwrap();
    let running = registry.gauge("running", "Running.").unwrap();
    let errors = registry.counter("errors_total", "Errors.").unwrap();

    let inside = running.track_during(|| waits.time(|| running.value()));
    assert_eq!((inside, running.value(), waits.count()), (1.0, 0.0, 1));
    assert_eq!(errors.count_errors(|| Ok::<_, ()>(7)), Ok(7));
    assert_eq!(errors.value(), 0);
    assert_eq!(errors.count_errors(|| Err::<(), _>(8)), Err(8));
    assert_eq!(errors.value(), 1);

    let panics = catch_unwind(AssertUnwindSafe(|| {
        let work = || waits.time(|| running.track_during(|| panic!("on purpose")));
        errors.count_errors(|| -> Result<(), ()> { work() })
    }));
    assert!(panics.is_err());
    assert_eq!((errors.value(), waits.count(), running.value()), (2, 2, 0.0));
}

#[test]
fn future_is_timed_tracked_and_error_counted() {
    let registry = Registry::new();
    let waits = registry.histogram("wait_seconds", "Wait.", Buckets::default()).unwrap();
    let running = registry.gauge("running", "Running.").unwrap();
    let errors = registry.counter("errors_total", "Errors.").unwrap();
    let mut context = Context::from_waker(Waker::noop());

    let mut done = Box::pin(errors.count_errors_async(waits.time_async(async { Err::<(), _>(1) })));
    assert_eq!(done.as_mut().poll(&mut context), std::task::Poll::Ready(Err(1)));
    assert_eq!((errors.value(), waits.count()), (1, 1));

    let never = std::future::pending::<Result<(), ()>>();
    let mut stuck =
        Box::pin(errors.count_errors_async(running.track_during_async(waits.time_async(never))));
    assert!(stuck.as_mut().poll(&mut context).is_pending());
    assert_eq!((running.value(), waits.count()), (1.0, 1));
    drop(stuck);
    assert_eq!((running.value(), waits.count(), errors.value()), (0.0, 2, 1));

    let mut panics = Box::pin(errors.count_errors_async(async {
        if waits.count() > 0 {
            panic!("on purpose");
        }
        Ok::<(), ()>(())
    }));
    let polled = catch_unwind(AssertUnwindSafe(|| panics.as_mut().poll(&mut context).is_ready()));
    assert!(polled.is_err());
    drop(panics);
    assert_eq!(errors.value(), 2);
}
