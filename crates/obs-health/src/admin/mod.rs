//! The admin server: probes, metrics and debug endpoints, on a listener and a thread of their own.
//!
//! Its thread has its own small runtime, so that a probe is answered although every worker of the
//! application is busy, and a large scrape never delays a request. The routes that are added run on
//! threads beside it, at most 16 at once (past it the answer is 503), so that a handler that blocks never
//! delays a probe. Past 256 connections the oldest is closed for a new one.
//!
//! What anyone may read is the three probes and the routes added with [`Builder::public_route`]. Routes added
//! with [`Builder::protected_route`] (debug output, every change) are served on loopback, or with the bearer
//! token; elsewhere they do not exist.

mod access;
mod body;
mod connections;
mod handlers;
mod listen;
mod response;
mod routes;
#[cfg(unix)]
mod socket;
mod thread;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};

use crate::error::Error;
use crate::health::Health;
use access::Access;
use connections::Shared;
use listen::Endpoint;
use routes::Routes;

/// Where the admin server listens by default: the port of OpenTelemetry's Prometheus
/// exporter, on loopback.
pub const DEFAULT_ADDR: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9464);

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// Sets an admin server up; [`Builder::start`] starts it.
#[derive(Debug)]
#[must_use = "nothing is served until `start` is called"]
pub struct Builder {
    routes: Routes,
    endpoint: Endpoint,
    token: Option<String>,
    timeout: Duration,
}

impl Builder {
    /// An admin server with the probes of `health`, on [`DEFAULT_ADDR`].
    pub fn new(health: Health) -> Self {
        Self {
            routes: Routes::new(health),
            endpoint: Endpoint::Tcp(DEFAULT_ADDR),
            token: None,
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// Listens here instead. Port 0 takes a free port. An address that is not loopback makes the public
    /// routes readable by every client that reaches it, and hides the protected ones unless there is a token.
    pub fn addr(mut self, addr: SocketAddr) -> Self {
        self.endpoint = Endpoint::Tcp(addr);
        self
    }

    /// Listens on a Unix-domain socket of mode 0600 instead of an address: for this user's processes
    /// alone, such as a sidecar. A socket without a listener is removed first.
    pub fn unix(mut self, path: impl Into<PathBuf>) -> Self {
        self.endpoint = Endpoint::Unix(path.into());
        self
    }

    /// Asks for `Authorization: Bearer TOKEN` on every protected route, on loopback too.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into()).filter(|token| !token.is_empty());
        self
    }

    /// How long a client may take for a request's head, for its body, and for each part of the answer;
    /// past it its connection is closed and counted. 5 s by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.max(Duration::from_millis(1));
        self
    }

    /// Serves `path` to anyone who reaches the listener. The handler runs on a thread of its own, which
    /// it may block; a panic is answered with 500. Request bodies past 64 KiB are refused before it is
    /// called.
    pub fn public_route<Handler, Answer>(mut self, path: &'static str, handler: Handler) -> Self
    where
        Handler: Fn(Request<Bytes>) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Response<Bytes>> + Send + 'static,
    {
        self.routes.add(path, false, handler);
        self
    }

    /// Serves `path` on loopback, or to clients that send the token.
    pub fn protected_route<Handler, Answer>(mut self, path: &'static str, handler: Handler) -> Self
    where
        Handler: Fn(Request<Bytes>) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Response<Bytes>> + Send + 'static,
    {
        self.routes.add(path, true, handler);
        self
    }

    /// Binds the address and serves.
    ///
    /// # Errors
    ///
    /// When the address is in use or not allowed, or no thread can be started.
    pub fn start(self) -> Result<AdminServer, Error> {
        let access = match &self.endpoint {
            Endpoint::Tcp(addr) => Access::new(addr.ip().is_loopback(), self.token),
            Endpoint::Unix(_) => Access::of_socket(self.token),
        };
        let shared = Shared { routes: self.routes, access, timeout: self.timeout };
        let (addr, thread) = thread::start(&self.endpoint, shared)?;
        Ok(AdminServer { addr, thread })
    }
}

/// A running admin server. Dropping it stops it.
#[must_use = "the admin server stops when this is dropped"]
pub struct AdminServer {
    addr: Option<SocketAddr>,
    thread: thread::Thread,
}

impl AdminServer {
    /// The address that it really listens on. A server on a Unix-domain socket has none: then it is
    /// `0.0.0.0:0`; see [`AdminServer::is_unix`].
    pub fn addr(&self) -> SocketAddr {
        self.addr.unwrap_or(SocketAddr::new(std::net::Ipv4Addr::UNSPECIFIED.into(), 0))
    }

    /// Whether it listens on a Unix-domain socket, not on an address.
    pub fn is_unix(&self) -> bool {
        self.addr.is_none()
    }

    /// Stops accepting, lets answers under way finish for at most `deadline`, and ends the thread.
    pub fn stop(self, deadline: Duration) {
        let _nobody_asks = self.stop_counting(deadline);
    }

    /// How many requests were left without an answer; `None` when that is not known.
    pub(crate) fn stop_counting(mut self, deadline: Duration) -> Option<u64> {
        self.thread.stop(deadline)
    }
}

impl fmt::Debug for AdminServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminServer").field("addr", &self.addr).finish_non_exhaustive()
    }
}
