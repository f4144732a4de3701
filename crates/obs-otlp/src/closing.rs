//! When an export has to be over.

use std::time::Instant;

use tokio::sync::watch;
use tokio::time::sleep_until;

/// Tells an export thread by when it must be done.
#[derive(Debug)]
pub struct Closer(watch::Sender<Option<Instant>>);

/// The export thread's end of a [`Closer`].
#[derive(Clone, Debug)]
pub struct Closing(watch::Receiver<Option<Instant>>);

/// Both ends. A [`Closer`] that is dropped means: now.
pub fn closing() -> (Closer, Closing) {
    let (send, receive) = watch::channel(None);
    (Closer(send), Closing(receive))
}

impl Closer {
    /// What is under way ends by then; waits between two attempts are cut short.
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

    /// Completes when the deadline becomes known, or its [`Closer`] is gone.
    pub async fn known(&mut self) {
        if self.0.borrow_and_update().is_none() {
            let _ = self.0.changed().await;
        }
    }

    /// Whether the deadline is known, or will never be.
    pub fn is_closing(&self) -> bool {
        self.0.borrow().is_some() || self.0.has_changed().is_err()
    }

    /// Completes at the deadline.
    pub async fn over(&self) {
        let mut of_this = self.0.clone();
        loop {
            let known = *of_this.borrow_and_update();
            match known {
                Some(end) => return sleep_until(end.into()).await,
                None if of_this.changed().await.is_err() => return,
                None => {}
            }
        }
    }
}
