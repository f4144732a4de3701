//! The application's server: hyper with the limits that a service on a network needs.

use std::error::Error as StdError;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tower_layer::Layer;
use tower_service::Service;

use crate::lifecycle::{InFlight, Lifecycle, ShutdownReport};

type BoxError = Box<dyn StdError + Send + Sync>;

/// What one server takes at most.
#[derive(Clone, Debug)]
pub struct ServerLimits {
    /// Connections at once; past it the next waits in the kernel's queue. 10,000 by default.
    pub connections: usize,
    /// How long a connection may take to send a request's head. 10 s by default: without it a silent
    /// connection stays for ever.
    pub header_read_timeout: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self { connections: 10_000, header_read_timeout: Duration::from_secs(10) }
    }
}

/// Serves HTTP/1 and HTTP/2 on a listener until its lifecycle shuts it down.
#[derive(Debug)]
#[must_use = "nothing is served until `serve` is awaited"]
pub struct Server {
    listener: TcpListener,
    limits: ServerLimits,
}

impl Server {
    /// A server on this listener, with the default limits.
    pub fn new(listener: TcpListener) -> Self {
        Self { listener, limits: ServerLimits::default() }
    }

    /// Takes these limits instead.
    pub fn limits(mut self, limits: ServerLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Serves `app` until `lifecycle` is told to shut down, then goes through its stages and answers
    /// their report. `app` is any tower service: an axum `Router`, or a service of your own.
    pub async fn serve<App, B>(self, app: App, lifecycle: Lifecycle) -> ShutdownReport
    where
        App: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        App::Future: Send,
        App::Error: Into<BoxError>,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let app = obs_http::ObserveLayer::new(lifecycle.in_flight(), obs_http::unrouted).layer(app);
        let mut connections = Connections::new(&self.limits);
        let close_listener = lifecycle.listener_closes();
        loop {
            let accepted = tokio::select! {
                () = close_listener.cancelled() => break,
                accepted = connections.accept(&self.listener) => accepted,
            };
            match accepted {
                Ok((stream, place)) => connections.spawn(stream, app.clone(), place),
                Err(error) => pause_after(&error).await,
            }
        }
        // What the kernel has accepted on our behalf must not be reset.
        while let Some((stream, place)) = connections.accept_waiting(&self.listener).await {
            connections.spawn(stream, app.clone(), place);
        }
        drop(self.listener);
        lifecycle.finish(connections).await
    }
}

/// The open connections of one server.
pub(crate) struct Connections {
    builder: auto::Builder<TokioExecutor>,
    graceful: GracefulShutdown,
    places: Arc<Semaphore>,
    abort: CancellationToken,
}

impl Connections {
    fn new(limits: &ServerLimits) -> Self {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_read_timeout)
            .http2()
            .timer(TokioTimer::new());
        Self {
            builder,
            graceful: GracefulShutdown::new(),
            places: Arc::new(Semaphore::new(limits.connections.max(1))),
            abort: CancellationToken::new(),
        }
    }

    /// The next connection, once there is a place for it.
    async fn accept(
        &self,
        listener: &TcpListener,
    ) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, _) = listener.accept().await?;
        Ok((stream, place))
    }

    /// A connection that waits already, if there is one and a place for it.
    async fn accept_waiting(
        &self,
        listener: &TcpListener,
    ) -> Option<(TcpStream, OwnedSemaphorePermit)> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let stream = poll_fn(|context| match listener.poll_accept(context) {
            Poll::Ready(Ok((stream, _))) => Poll::Ready(Some(stream)),
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Ready(None),
        })
        .await?;
        Some((stream, place))
    }

    fn spawn<App, B>(
        &mut self,
        stream: TcpStream,
        app: obs_http::ObserveService<App, InFlight>,
        place: OwnedSemaphorePermit,
    ) where
        App: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        App::Future: Send,
        App::Error: Into<BoxError>,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        // A small answer must not wait for the peer's acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(app);
        let connection =
            self.builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
        let watched = self.graceful.watch(connection);
        let abort = self.abort.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = watched => {}
                () = abort.cancelled() => {}
            }
            drop(place);
        });
    }

    /// Lets every connection finish its request and close.
    pub(crate) async fn finish(self) {
        self.graceful.shutdown().await;
    }

    pub(crate) fn aborter(&self) -> CancellationToken {
        self.abort.clone()
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
