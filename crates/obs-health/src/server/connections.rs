//! The connections of one server: accepted, limited and served.

use std::error::Error as StdError;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use http::{Extensions, Request, Response, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use obs_guard::Place;
use obs_http::{ObserveLayer, unrouted};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_layer::Layer;
use tower_service::Service;

use crate::counts::Closed;
use crate::health::Health;
use crate::lifecycle::in_flight::InFlight;
use crate::lifecycle::open::OpenConnections;
use crate::lifecycle::stop::Stopped;
use crate::server::acceptor::Acceptor;
use crate::server::http2_bodies::Http2Bodies;
use crate::server::limits::ServerLimits;
use crate::server::parts::PartedBody;
use crate::server::phase::Phase;
use crate::server::stream::{ConnectionGuards, ReadLimit, WriteSide};
use crate::server::streams::Streams;
use crate::watched::Watched;
use crate::write_limit::{WriteLimit, WriteWatch};

/// How long a connection that was accepted before the shutdown may take to bring its first request.
const DRAIN_FIRST_REQUEST_TIMEOUT: Duration = Duration::from_millis(500);

/// In bytes.
const MAX_ERROR_TEXT: usize = 1_000;

/// The acceptor: its handshake, and the `Clone` that each connection gets.
static ACCEPTOR: Place = Place::new("health.acceptor");
/// The service's `Clone` that each connection gets.
static SERVICE_CLONE: Place = Place::new("health.service_clone");

type BoxError = Box<dyn StdError + Send + Sync>;

pub(crate) struct Connections {
    builder: Arc<auto::Builder<Streams>>,
    limits: Arc<ServerLimits>,
    insert_peer: fn(&mut Extensions, SocketAddr),
    places: Arc<Semaphore>,
    open: OpenConnections,
    health: Health,
    in_flight: InFlight,
    /// The number of connections so far, to spread their ages.
    spawned: AtomicU32,
}

/// A connection that has its place.
pub(crate) struct Accepted {
    stream: TcpStream,
    peer: SocketAddr,
    place: OwnedSemaphorePermit,
}

impl Connections {
    pub(crate) fn new(
        limits: ServerLimits,
        insert_peer: fn(&mut Extensions, SocketAddr),
        health: Health,
        in_flight: InFlight,
    ) -> Self {
        let limits = Arc::new(limits);
        let streams = Streams { limits: Arc::clone(&limits), health: health.clone() };
        let mut builder = auto::Builder::new(streams);
        builder
            .http1()
            .header_read_timeout(None) // see `ReadLimit`
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(limits.ping_interval)
            .keep_alive_timeout(limits.ping_timeout);
        Self {
            builder: Arc::new(builder),
            places: Arc::new(Semaphore::new(limits.connections.clamp(1, Semaphore::MAX_PERMITS))),
            limits,
            insert_peer,
            open: OpenConnections::default(),
            health,
            in_flight,
            spawned: AtomicU32::new(0),
        }
    }

    /// The next connection, once there is a place for it.
    pub(crate) async fn accept(&self, listener: &TcpListener) -> io::Result<Accepted> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, peer) = listener.accept().await?;
        Ok(Accepted { stream, peer, place })
    }

    /// A connection that waits already, if there is one and a place for it.
    pub(crate) async fn accept_waiting(&self, listener: &TcpListener) -> Option<Accepted> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let (stream, peer) = poll_fn(|context| match listener.poll_accept(context) {
            Poll::Ready(Ok(accepted)) => Poll::Ready(Some(accepted)),
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Ready(None),
        })
        .await?;
        Some(Accepted { stream, peer, place })
    }

    pub(crate) fn spawn<A, App, B>(
        &self,
        Accepted { stream, peer, place }: Accepted,
        acceptor: &A,
        app: &App,
    ) where
        A: Acceptor,
        App: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        App::Future: Send,
        App::Error: Into<BoxError>,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let acceptor = ACCEPTOR.call(|| acceptor.clone());
        let app = SERVICE_CLONE.call(|| app.clone());
        let (Some(acceptor), Some(app)) = (acceptor, app) else { return };
        // A small answer must not wait for the peer's acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        let (builder, limits) = (Arc::clone(&self.builder), Arc::clone(&self.limits));
        let offset = self.spawned.fetch_add(1, Ordering::Relaxed) % 16;
        let age = limits.connection_age;
        let age = age.saturating_add(age / 160 * offset);
        let in_flight = self.in_flight.clone();
        let insert_peer = self.insert_peer;
        let (open, health) = (self.open.streams.token(), self.health.clone());
        let (closing, abort_http) = (self.open.closing.stopped(), self.open.abort_http.stopped());
        let abort_upgraded = [(); 2].map(|()| self.open.abort_upgraded.stopped());
        let serving = async move {
            let handshake = catch_panic(async { acceptor.accept(stream).await });
            let error = match tokio::time::timeout(limits.handshake_timeout, handshake).await {
                Ok(Some(Ok(stream))) => {
                    let write = WriteLimit::new(limits.write_budget());
                    let phase = Phase::new(write.watch());
                    let guards = ConnectionGuards { _open: open, _place: place };
                    let [abort_read, abort_write] = abort_upgraded;
                    let (idle, head) = (limits.idle_timeout, limits.header_read_timeout);
                    let body = limits.body_budget();
                    let http2 = Http2Bodies::new(body);
                    let shared = (http2.clone(), health.clone());
                    let read =
                        ReadLimit::new(abort_read, phase.clone(), idle, head, body, shared, guards);
                    let watch = PeerWatch {
                        peer,
                        insert_peer,
                        phase,
                        read: read.expired(),
                        write: write.watch(),
                        http2,
                    };
                    let write = WriteSide::new(abort_write, write, watch.http2.clone());
                    let stream = Watched::new(stream, read, write);
                    let observers = ObserveLayer::new((in_flight, watch.phase.clone()), unrouted);
                    let app = observers.layer(app);
                    let write_timeout = limits.write_timeout;
                    let times = Timeouts { first_request: head, age, write_timeout };
                    let served = serve(&builder, stream, app, watch, closing, times);
                    if let Err(reason) = served.await {
                        health.server_counts().closed(reason);
                    }
                    return;
                }
                Ok(Some(Err(error))) => error,
                Ok(None) => io::Error::other("the acceptor panicked"),
                Err(_) => io::ErrorKind::TimedOut.into(),
            };
            health.server_counts().handshake_failed();
            let mut text = String::new();
            let _marked = obs_guard::write_display(&mut text, &error, MAX_ERROR_TEXT);
            ACCEPTOR.drop(error);
            tracing::debug!(error = text, "a connection's handshake failed");
        };
        // Counted from now on: a handshake under way at shutdown may still bring a request.
        self.open.http.spawn(async move {
            tokio::select! {
                biased;
                () = abort_http => {}
                () = serving => {}
            }
        });
    }

    pub(crate) fn into_open(self) -> OpenConnections {
        self.open
    }
}

/// The limits that a connection's peer may run into.
struct PeerWatch {
    peer: SocketAddr,
    insert_peer: fn(&mut Extensions, SocketAddr),
    phase: Phase,
    read: Arc<OnceLock<Closed>>,
    write: WriteWatch,
    http2: Http2Bodies,
}

struct Timeouts {
    first_request: Duration,
    age: Duration,
    write_timeout: Duration,
}

/// Serves one connection; the error is the limit that closed it. A peer that breaks it off is no error.
async fn serve<S, App, B>(
    builder: &auto::Builder<Streams>,
    stream: S,
    app: App,
    PeerWatch { peer, insert_peer, phase, read, write, http2 }: PeerWatch,
    closing: Stopped,
    Timeouts { first_request, age, write_timeout }: Timeouts,
) -> Result<(), Closed>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    App: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    App::Future: Send,
    App::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let requested = phase.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        requested.request(&request);
        if obs_http::is_grpc(request.method(), request.headers()) {
            http2.disable();
        }
        insert_peer(request.extensions_mut(), peer);
        let mut app = app.clone();
        async move {
            poll_fn(|context| app.poll_ready(context)).await?;
            let is_http2 = request.version() >= Version::HTTP_2;
            let response = app.call(request).await?;
            Ok::<_, App::Error>(response.map(|body| PartedBody::new(body, is_http2)))
        }
    });
    // A body that stopped fails in the application, whose answer may end the connection well.
    let closed_by = |ended: Result<(), BoxError>| match (read.get(), ended) {
        _ if write.is_expired() => Err(Closed::Write),
        (Some(reason), _) => Err(*reason),
        (None, Ok(())) => Ok(()),
        (None, Err(error)) => match error.downcast_ref::<hyper::Error>() {
            Some(error) if error.is_timeout() => Err(Closed::Idle),
            _ => Ok(()),
        },
    };
    let mut connection =
        pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    // Hyper's own timers begin once it knows the version, which a silent peer never lets it know.
    let first_request_late = async {
        if tokio::time::timeout(first_request, phase.first_request()).await.is_ok() {
            std::future::pending::<()>().await;
        }
    };
    let is_old = tokio::select! {
        biased;
        ended = connection.as_mut() => return closed_by(ended),
        () = closing => false,
        () = tokio::time::sleep(age) => true,
        () = first_request_late => return Err(Closed::FirstRequest),
    };
    // Hyper would close a connection without a first request, which may be in its socket already.
    if !is_old {
        tokio::select! {
            biased;
            ended = connection.as_mut() => return closed_by(ended),
            () = phase.first_request() => {}
            () = tokio::time::sleep(DRAIN_FIRST_REQUEST_TIMEOUT) => {}
        }
    }
    connection.as_mut().graceful_shutdown();
    // HTTP/2 may keep the end of an answer whose exchange is over, for a peer that does not take it.
    let idle = async {
        match is_old {
            true => phase.is_idle_for(write_timeout).await,
            false => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        ended = connection => closed_by(ended)?,
        () = idle => {}
    }
    if is_old { Err(Closed::Age) } else { Ok(()) }
}

/// The handshake's result; `None` where it panicked.
async fn catch_panic<F: Future>(handshake: F) -> Option<F::Output> {
    let mut handshake = pin!(handshake);
    poll_fn(|context| ACCEPTOR.poll(handshake.as_mut(), context)).await
}
