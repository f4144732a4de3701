//! The application's server: hyper with the limits that a service on a network needs.

mod acceptor;
mod connections;
mod first_request;
mod http2_bodies;
mod http2_frames;
mod limits;
mod parts;
mod phase;
mod stream;
mod streams;

use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http::{Extensions, Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use obs_http::PeerAddr;
use tokio::net::TcpListener;
use tower_service::Service;

use crate::lifecycle::{Lifecycle, ShutdownReport};
pub use acceptor::{Acceptor, PlainTcp};
use connections::Connections;
pub use limits::ServerLimits;

type BoxError = Box<dyn StdError + Send + Sync>;

/// Serves HTTP/1 and HTTP/2 on a listener until its lifecycle shuts it down.
#[derive(Debug)]
#[must_use = "nothing is served until `serve` is awaited"]
pub struct Server<A = PlainTcp> {
    listener: TcpListener,
    limits: ServerLimits,
    insert_peer: InsertPeer,
    acceptor: A,
}

/// Puts the address of a connection's peer among a request's extensions.
type InsertPeer = fn(&mut Extensions, SocketAddr);

impl Server {
    /// A server on this listener, with the default limits.
    pub fn new(listener: TcpListener) -> Self {
        let insert_peer: InsertPeer = |extensions, peer| {
            extensions.insert(PeerAddr(peer));
        };
        Self { listener, limits: ServerLimits::default(), insert_peer, acceptor: PlainTcp }
    }
}

impl<A: Acceptor> Server<A> {
    /// Takes these limits instead.
    pub fn limits(mut self, limits: ServerLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Puts the peer's address among the extensions of each request in another way than as
    /// [`PeerAddr`], such as the extension of a web framework.
    pub fn insert_peer(mut self, insert: fn(&mut Extensions, SocketAddr)) -> Self {
        self.insert_peer = insert;
        self
    }

    /// Lets every connection go through this handshake first, such as TLS.
    pub fn acceptor<Other: Acceptor>(self, acceptor: Other) -> Server<Other> {
        let Self { listener, limits, insert_peer, .. } = self;
        Server { listener, limits, insert_peer, acceptor }
    }

    /// Serves `app` until `lifecycle` shuts down, then runs its stages and returns their
    /// report. Servers on one lifecycle shut down together, with one report. `app` is any tower
    /// service: an axum `Router`, or a service of your own. Each request has its connection's
    /// [`PeerAddr`] among its extensions, unless [`Server::insert_peer`] says otherwise.
    pub async fn serve<App, B>(self, app: App, lifecycle: Lifecycle) -> ShutdownReport
    where
        App: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        App::Future: Send,
        App::Error: Into<BoxError>,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let health = lifecycle.health().clone();
        let connections =
            Connections::new(self.limits, self.insert_peer, health.clone(), lifecycle.in_flight());
        let serving = lifecycle.serving();
        let close_listener = lifecycle.listener_closes();
        loop {
            let accepted = tokio::select! {
                () = close_listener.cancelled() => break,
                accepted = connections.accept(&self.listener) => accepted,
            };
            match accepted {
                Ok(accepted) => connections.spawn(accepted, &self.acceptor, &app),
                Err(error) => {
                    health.server_counts().accept_error();
                    pause_after(&error).await;
                }
            }
        }
        // What the kernel has accepted on our behalf must not be reset.
        while let Some(accepted) = connections.accept_waiting(&self.listener).await {
            connections.spawn(accepted, &self.acceptor, &app);
        }
        drop(self.listener);
        lifecycle.finish(serving, connections.into_open()).await
    }
}

/// A connection that broke before it was accepted is nothing; anything else (out of descriptors or
/// memory) would turn the loop into a hot one.
async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        return;
    }
    tracing::error!(%error, "cannot accept connections; raise the limit of open files (ulimit -n)");
    tokio::time::sleep(Duration::from_millis(500)).await;
}
