//! A place where application code is called, and how often it panicked there.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

/// The places of the toolkit's crates: known before any has caught a panic.
const KNOWN: [&str; 33] = [
    "errors.before_send",
    "errors.sink",
    "errors.source",
    "errors.spans",
    "exit",
    "format",
    "health.acceptor",
    "health.admin_handler",
    "health.background_task",
    "health.check",
    "health.check_error",
    "health.handler",
    "health.on_close",
    "health.on_flush",
    "health.service_clone",
    "health.transition_log",
    "health.watchdog_stacks",
    "health.work",
    "http.handler",
    "http.route_of",
    "logging.error_source",
    "logging.key_values",
    "logging.processor",
    "logging.valuable",
    "logging.value",
    "logging.writer",
    "metrics.prometheus_client",
    "metrics.source",
    "profiling.waker",
    "tracing.exporter",
    "tracing.on_query",
    "tracing.tail_rule",
    "tracing.tail_rule_drop",
];

/// Every place that has caught a panic, in the order of the first one.
static PANICKED: Mutex<Vec<&'static Place>> = Mutex::new(Vec::new());

/// A place where a library calls the application's code.
///
/// Make it a `static`: its counter lives as long as the process.
#[derive(Debug)]
pub struct Place {
    name: &'static str,
    panics: AtomicU64,
}

impl Place {
    /// A place with this name, such as `metrics.collector`: pillar, dot, what is called.
    pub const fn new(name: &'static str) -> Self {
        Self { name, panics: AtomicU64::new(0) }
    }

    /// The name given at [`Self::new`].
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// How many panics were caught here.
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// Calls `code`; `None` where it panicked.
    ///
    /// State that `code` left half-changed is the caller's concern: hand over values that are
    /// discarded after a panic.
    #[inline]
    pub fn call<T>(&'static self, code: impl FnOnce() -> T) -> Option<T> {
        match catch_unwind(AssertUnwindSafe(code)) {
            Ok(value) => Some(value),
            Err(panic) => {
                self.caught(panic);
                None
            }
        }
    }

    /// Polls `future` once; `Ready(None)` where it panicked, after which it must not be polled again.
    #[inline]
    pub fn poll<F: Future + ?Sized>(
        &'static self,
        future: Pin<&mut F>,
        context: &mut Context<'_>,
    ) -> Poll<Option<F::Output>> {
        match self.call(|| future.poll(context)) {
            Some(Poll::Ready(output)) => Poll::Ready(Some(output)),
            Some(Poll::Pending) => Poll::Pending,
            None => Poll::Ready(None),
        }
    }

    /// Drops `value`, whose `Drop` may be the application's.
    #[inline]
    pub fn drop<T>(&'static self, value: T) {
        let _panicked_and_counted = self.call(|| drop(value));
    }

    /// Counts a panic that the caller has caught itself, and disposes of its payload.
    #[cold]
    pub fn caught(&'static self, payload: Box<dyn Any + Send>) {
        if self.panics.fetch_add(1, Ordering::Relaxed) == 0 {
            PANICKED.lock().unwrap_or_else(PoisonError::into_inner).push(self);
        }
        // A payload's own `Drop` may panic, and the payload of that panic, too: the second one is
        // leaked, which ends it.
        if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(second);
        }
    }
}

/// The places that have caught panics, with how many each.
pub fn panics() -> impl Iterator<Item = (&'static str, u64)> {
    let places = PANICKED.lock().unwrap_or_else(PoisonError::into_inner).clone();
    places.into_iter().map(|place| (place.name, place.panics()))
}

/// Hands every place of the toolkit to `each`, those that have caught no panic too, and any others that have: a
/// counter that is 0 from the start shows the first panic as an increase.
pub fn each_place(mut each: impl FnMut(&'static str, u64)) {
    let panicked = PANICKED.lock().unwrap_or_else(PoisonError::into_inner);
    panicked.iter().for_each(|place| each(place.name, place.panics()));
    let has_panicked = |name: &str| panicked.iter().any(|place| place.name == name);
    KNOWN.iter().filter(|name| !has_panicked(name)).for_each(|name| each(name, 0));
}
