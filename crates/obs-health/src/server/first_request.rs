//! Whether a connection has carried a request yet.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(crate) struct FirstRequest {
    has_come: AtomicBool,
    notify: Notify,
}

impl FirstRequest {
    pub(crate) fn set(&self) {
        if !self.has_come.swap(true, Ordering::AcqRel) {
            self.notify.notify_one();
        }
    }

    /// For one waiter.
    pub(crate) async fn wait(&self) {
        if !self.has_come.load(Ordering::Acquire) {
            self.notify.notified().await;
        }
    }
}
