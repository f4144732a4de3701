//! Whether a connection has carried a request yet.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(crate) struct Begun {
    flag: AtomicBool,
    told: Notify,
}

impl Begun {
    pub(crate) fn set(&self) {
        if !self.flag.swap(true, Ordering::AcqRel) {
            self.told.notify_one();
        }
    }

    /// For one waiter.
    pub(crate) async fn wait(&self) {
        if !self.flag.load(Ordering::Acquire) {
            self.told.notified().await;
        }
    }
}
