//! What a server tells of itself.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Default)]
pub(crate) struct ServerCounts {
    accept_errors: AtomicU64,
    handshakes_failed: AtomicU64,
    upgraded_aborted: AtomicU64,
}

impl ServerCounts {
    pub(crate) fn accept_error(&self) {
        self.accept_errors.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn handshake_failed(&self) {
        self.handshakes_failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn upgraded_aborted(&self, connections: u64) {
        self.upgraded_aborted.fetch_add(connections, Ordering::Relaxed);
    }

    /// Name, help and value of each.
    pub(crate) fn totals(&self) -> [(&'static str, &'static str, u64); 3] {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        [
            (
                "http_server_accept_errors_total",
                "Times that no connection could be accepted, such as for want of file descriptors.",
                read(&self.accept_errors),
            ),
            (
                "http_server_handshakes_failed_total",
                "Handshakes of the acceptor that failed or took too long.",
                read(&self.handshakes_failed),
            ),
            (
                "http_server_upgraded_aborted_total",
                "Upgraded connections, such as websockets, aborted at shutdown.",
                read(&self.upgraded_aborted),
            ),
        ]
    }
}
