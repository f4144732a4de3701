//! The limits of one server.

use std::time::Duration;

use crate::pace::{MIN_RATE, WaitBudget};

/// What one server takes at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Connections at once; past it the next waits in the kernel's queue. 10,000 by default.
    pub connections: usize,
    /// How long a connection may take until its first request's head is complete, HTTP/2's preface
    /// included; and an HTTP/1 request's head from its first byte on. 10 s by default: without it a
    /// silent connection stays for ever.
    pub header_read_timeout: Duration,
    /// How far a request's body may fall behind [`ServerLimits::min_body_rate`] while the application
    /// reads it. 30 s by default. One that stops is closed after this time.
    ///
    /// On HTTP/2 its stream alone is reset, and only before the application begins to answer: streams
    /// in both directions take their time. A connection that carries gRPC has no such limit, since its
    /// clients may be silent between two messages; use their deadlines.
    pub body_read_timeout: Duration,
    /// Bytes a second that a request's body must bring while the application waits for it. 240 by
    /// default; with 0 there is no minimum between pauses.
    pub min_body_rate: u32,
    /// How far a peer may fall behind [`ServerLimits::min_write_rate`] with the reading of its answer;
    /// one that takes nothing is closed after this time. 30 s by default.
    ///
    /// On HTTP/2 a stream alone is reset when its peer takes nothing of it.
    pub write_timeout: Duration,
    /// Bytes a second that a peer must take while an answer waits in full buffers. 240 by default; with
    /// 0 there is no minimum between pauses. An application that is slow to answer is
    /// never taken for a slow peer.
    pub min_write_rate: u32,
    /// After this time a connection finishes its requests and is closed, so that load spreads over new
    /// instances. 1 h by default, up to a tenth more so that connections made together do not end
    /// together.
    pub connection_age: Duration,
    /// How long an HTTP/1 connection may wait for its next request's head. 75 s by default: longer
    /// than the 60 s of most load balancers, which would else send a request into a closing connection.
    pub idle_timeout: Duration,
    /// Between the pings of an HTTP/2 connection. 20 s by default.
    pub ping_interval: Duration,
    /// How long the peer may take to answer a ping; past it the connection is closed. 10 s by default.
    pub ping_timeout: Duration,
    /// How long the [`Acceptor`](crate::Acceptor)'s handshake may take. 10 s by default.
    pub handshake_timeout: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            header_read_timeout: Duration::from_secs(10),
            body_read_timeout: Duration::from_secs(30),
            min_body_rate: MIN_RATE,
            write_timeout: Duration::from_secs(30),
            min_write_rate: MIN_RATE,
            connection_age: Duration::from_secs(3_600),
            idle_timeout: Duration::from_secs(75),
            ping_interval: Duration::from_secs(20),
            ping_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
        }
    }
}

impl ServerLimits {
    pub(crate) fn body_budget(&self) -> WaitBudget {
        WaitBudget::new(self.body_read_timeout, self.min_body_rate)
    }

    pub(crate) fn write_budget(&self) -> WaitBudget {
        WaitBudget::new(self.write_timeout, self.min_write_rate)
    }
}
