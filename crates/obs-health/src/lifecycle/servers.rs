//! The servers of a lifecycle: they shut down together, and one of them runs the stages for all.

use tokio::sync::watch;

use crate::lifecycle::open::OpenConnections;

#[derive(Default)]
pub(crate) struct Servers {
    inner: watch::Sender<Inner>,
}

#[derive(Default)]
struct Inner {
    /// How many still accept connections.
    serving: usize,
    /// The connections of those that have ended.
    open: Vec<OpenConnections>,
    is_led: bool,
    is_over: bool,
}

impl Servers {
    pub(crate) fn begin(&self) -> ServingGuard {
        self.inner.send_modify(|inner| inner.serving += 1);
        ServingGuard { inner: self.inner.clone() }
    }

    /// Completes when no server accepts any more.
    pub(crate) async fn ended(&self) {
        let mut inner = self.inner.subscribe();
        drop(inner.wait_for(|inner| inner.serving == 0).await);
    }

    /// Every connection, for the first caller alone: it runs the stages.
    pub(crate) fn try_lead(&self) -> Option<(StagesGuard, Vec<OpenConnections>)> {
        let mut open = None;
        self.inner.send_if_modified(|inner| {
            if !inner.is_led {
                inner.is_led = true;
                open = Some(std::mem::take(&mut inner.open));
            }
            false
        });
        open.map(|open| (StagesGuard { inner: self.inner.clone() }, open))
    }

    /// Completes when the stages are over, or their guard was dropped before.
    pub(crate) async fn over(&self) {
        let mut inner = self.inner.subscribe();
        drop(inner.wait_for(|inner| inner.is_over).await);
    }
}

/// One server that accepts, until it has ended or is dropped.
pub(crate) struct ServingGuard {
    inner: watch::Sender<Inner>,
}

impl ServingGuard {
    pub(crate) fn end(self, open: Option<OpenConnections>) {
        self.inner.send_modify(|inner| inner.open.extend(open));
    }
}

impl Drop for ServingGuard {
    fn drop(&mut self) {
        self.inner.send_modify(|inner| inner.serving = inner.serving.saturating_sub(1));
    }
}

/// Held while the stages run; [`Servers::over`] completes when it is dropped.
pub(crate) struct StagesGuard {
    inner: watch::Sender<Inner>,
}

impl Drop for StagesGuard {
    fn drop(&mut self) {
        self.inner.send_modify(|inner| inner.is_over = true);
    }
}
