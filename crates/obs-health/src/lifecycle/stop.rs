//! A stop signal that every connection checks at every poll.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// A token with a flag beside it: the token's own answer costs a lock.
#[derive(Clone, Default)]
pub(crate) struct StopSignal {
    is_triggered: Arc<AtomicBool>,
    token: CancellationToken,
}

impl StopSignal {
    pub(crate) fn trigger(&self) {
        // Before the tasks are woken, so that each sees it.
        self.is_triggered.store(true, Ordering::Release);
        self.token.cancel();
    }

    pub(crate) fn stopped(&self) -> Stopped {
        Stopped {
            is_triggered: Arc::clone(&self.is_triggered),
            waiting: Box::pin(self.token.clone().cancelled_owned()),
            waker: None,
        }
    }
}

/// Completes once the [`StopSignal`] is triggered.
pub(crate) struct Stopped {
    is_triggered: Arc<AtomicBool>,
    waiting: Pin<Box<WaitForCancellationFutureOwned>>,
    /// The waker that `waiting` has.
    waker: Option<Waker>,
}

impl Future for Stopped {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let is_registered =
            self.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker()));
        if is_registered && !self.is_triggered.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        self.waker = Some(context.waker().clone());
        self.waiting.as_mut().poll(context)
    }
}
