//! The open connections of a server, which its shutdown waits for and aborts.

use tokio_util::task::TaskTracker;

use crate::lifecycle::stop::StopSignal;

/// The connections that are open, and the two ways to end them.
#[derive(Clone, Default)]
pub(crate) struct OpenConnections {
    /// One token for each connection, however long the application keeps it after an upgrade.
    pub(crate) streams: TaskTracker,
    /// One task for each connection that speaks HTTP still.
    pub(crate) http: TaskTracker,
    /// Asks those to finish their requests and close.
    pub(crate) closing: StopSignal,
    pub(crate) abort_http: StopSignal,
    pub(crate) abort_upgraded: StopSignal,
}

impl OpenConnections {
    /// Asks every connection to finish its request and close. None is added afterwards.
    pub(crate) fn close(&self) {
        self.streams.close();
        self.http.close();
        self.closing.trigger();
    }

    /// Connections that the application has taken over.
    pub(crate) fn upgraded(&self) -> u64 {
        self.streams.len().saturating_sub(self.http.len()) as u64
    }

    pub(crate) fn abort_http(&self) {
        self.abort_http.trigger();
    }

    pub(crate) fn abort_upgraded(&self) {
        self.abort_upgraded.trigger();
    }

    /// Comes when no connection speaks HTTP any more.
    pub(crate) async fn finished(&self) {
        self.http.wait().await;
    }

    /// Comes when the last connection is closed, upgraded or not.
    pub(crate) async fn closed(&self) {
        self.streams.wait().await;
    }
}
