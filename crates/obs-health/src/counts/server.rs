//! Counters of the application's server.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Default)]
pub(crate) struct ServerCounts {
    accept_errors: AtomicU64,
    handshakes_failed: AtomicU64,
    upgraded_aborted: AtomicU64,
    streams_reset: [AtomicU64; 2],
    closed: [AtomicU64; 6],
}

/// Which limit closed a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// The first request's head did not come in time.
    FirstRequest,
    /// The next request did not come in time, or the peer did not answer a ping.
    Idle,
    /// A later request's head began and did not end in time.
    Head,
    /// A request's body stopped coming.
    Body,
    /// The peer did not read its answer.
    Write,
    /// The connection was old: it finished its requests first.
    Age,
}

/// Which limit reset an HTTP/2 stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamReset {
    /// The request's body stopped coming.
    Body,
    /// The peer took nothing of the answer.
    Write,
}

impl Closed {
    const ALL: [Self; 6] =
        [Self::FirstRequest, Self::Idle, Self::Head, Self::Body, Self::Write, Self::Age];

    const fn as_str(self) -> &'static str {
        match self {
            Self::FirstRequest => "first_request",
            Self::Idle => "idle",
            Self::Head => "head",
            Self::Body => "body",
            Self::Write => "write",
            Self::Age => "age",
        }
    }
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

    pub(crate) fn stream_reset(&self, reason: StreamReset) {
        self.streams_reset[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// By the limit that reset them.
    pub(crate) fn streams_reset_by_reason(&self) -> [(&'static str, u64); 2] {
        let [body, write] = &self.streams_reset;
        [("body", body), ("write", write)]
            .map(|(reason, count)| (reason, count.load(Ordering::Relaxed)))
    }

    pub(crate) fn closed(&self, reason: Closed) {
        self.closed[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// By the limit that closed them.
    pub(crate) fn closed_by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let count = |reason: Closed| self.closed[reason as usize].load(Ordering::Relaxed);
        Closed::ALL.into_iter().map(move |reason| (reason.as_str(), count(reason)))
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
