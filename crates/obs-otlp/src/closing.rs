//! The deadline of a shutdown.

use std::time::Instant;

use tokio::sync::watch;
use tokio::time::sleep_until;

/// Sets the deadline of an export thread.
#[derive(Debug)]
pub struct Closer(watch::Sender<Option<Instant>>);

/// The export thread's end of a [`Closer`].
#[derive(Clone, Debug)]
pub struct Closing(watch::Receiver<Option<Instant>>);

/// Both ends. Dropping the [`Closer`] closes at once.
pub fn closing() -> (Closer, Closing) {
    let (send, receive) = watch::channel(None);
    (Closer(send), Closing(receive))
}

impl Closer {
    /// Requests in flight end by then; a wait for a retry ends at once.
    pub fn close_by(&self, deadline: Instant) {
        let _ = self.0.send_replace(Some(deadline));
    }

    /// Another end of the same.
    pub fn closing(&self) -> Closing {
        Closing(self.0.subscribe())
    }
}

impl Closing {
    /// The deadline, once there is one.
    pub fn deadline(&self) -> Option<Instant> {
        *self.0.borrow()
    }

    /// Completes when a deadline is set, or the [`Closer`] is dropped.
    pub async fn begun(&mut self) {
        if self.0.borrow_and_update().is_none() {
            let _ = self.0.changed().await;
        }
    }

    /// Whether a deadline is set, or the [`Closer`] is dropped.
    pub fn is_closing(&self) -> bool {
        self.0.borrow().is_some() || self.0.has_changed().is_err()
    }

    /// Completes at the deadline.
    pub async fn deadline_reached(&self) {
        let mut receiver = self.0.clone();
        loop {
            let deadline = *receiver.borrow_and_update();
            match deadline {
                Some(end) => return sleep_until(end.into()).await,
                None if receiver.changed().await.is_err() => return,
                None => {}
            }
        }
    }
}
