//! An order to stop that every connection asks for at every poll.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// A token with a flag beside it: the token's own answer costs a lock.
#[derive(Clone, Default)]
pub(crate) struct Stop {
    is_ordered: Arc<AtomicBool>,
    token: CancellationToken,
}

impl Stop {
    pub(crate) fn order(&self) {
        // Before the wakers are told, so that whoever wakes sees it.
        self.is_ordered.store(true, Ordering::Release);
        self.token.cancel();
    }

    pub(crate) fn ordered(&self) -> Ordered {
        Ordered {
            is_ordered: Arc::clone(&self.is_ordered),
            waiting: Box::pin(self.token.clone().cancelled_owned()),
            told: None,
        }
    }
}

/// Comes when the [`Stop`] is ordered.
pub(crate) struct Ordered {
    is_ordered: Arc<AtomicBool>,
    waiting: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Whom `waiting` will wake.
    told: Option<Waker>,
}

impl Future for Ordered {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let is_told = self.told.as_ref().is_some_and(|told| told.will_wake(context.waker()));
        if is_told && !self.is_ordered.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        self.told = Some(context.waker().clone());
        self.waiting.as_mut().poll(context)
    }
}
