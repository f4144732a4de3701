//! The admin server's connections: a new one always finds a place, so that a probe is answered whatever
//! else holds the port.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::sync::oneshot;

use crate::admin::access::Access;
use crate::admin::body::AnswerBody;
use crate::admin::listen::{Listener, Stream};
use crate::admin::response::text;
use crate::admin::routes::Routes;
use crate::counts::AdminClosed;
use crate::pace::{MIN_RATE, WaitBudget};
use crate::watched::Watched;
use crate::write_limit::WriteLimit;

/// Connections at once; past it the oldest is closed, one that waits for its answer last.
const MAX_CONNECTIONS: usize = 256;
const MAX_BODY: usize = 64 * 1024;
/// What hyper keeps of one connection's request head or answer.
const MAX_BUFFER: usize = 64 * 1024;
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

pub(crate) struct Shared {
    pub(crate) routes: Routes,
    pub(crate) access: Access,
    /// For a head, a body, and each part of an answer.
    pub(crate) timeout: Duration,
}

/// Serves until it is stopped; answers how many requests were left without an answer.
pub(crate) async fn serve(
    listener: Listener,
    shared: Shared,
    mut stopped: oneshot::Receiver<Duration>,
) -> u64 {
    let shared = Arc::new(shared);
    let open = Arc::new(Open::default());
    let graceful = GracefulShutdown::new();
    let deadline = loop {
        let accepted = tokio::select! {
            deadline = &mut stopped => break deadline.unwrap_or_default(),
            accepted = listener.accept() => accepted,
        };
        let Ok(stream) = accepted else {
            // Out of file descriptors, most often: trying again at once would burn a core.
            tokio::time::sleep(ACCEPT_BACKOFF).await;
            continue;
        };
        let (id, place) = open.add();
        let counts = shared.routes.health().admin_counts();
        if place.evicted_another {
            counts.closed(AdminClosed::Evicted);
        }
        let connection = connection(stream, Arc::clone(&shared), place.answering, &graceful);
        let (open, shared) = (Arc::clone(&open), Arc::clone(&shared));
        tokio::spawn(async move {
            tokio::select! {
                closed = connection => {
                    if let Err(reason) = closed {
                        shared.routes.health().admin_counts().closed(reason);
                    }
                }
                _ = place.evicted => {}
            }
            open.remove(id);
        });
    };
    drop(listener);
    match tokio::time::timeout(deadline, graceful.shutdown()).await {
        Ok(()) => 0,
        Err(_) => open.answering(),
    }
}

fn connection(
    stream: Stream,
    shared: Arc<Shared>,
    answering: Arc<AtomicBool>,
    graceful: &GracefulShutdown,
) -> impl Future<Output = Result<(), AdminClosed>> + Send + 'static {
    let limit = WriteLimit::new(WaitBudget::new(shared.timeout, MIN_RATE));
    let (write, head_timeout) = (limit.watch(), shared.timeout);
    let stream = Watched::new(stream, (), limit);
    let service = service_fn(move |request| {
        let (shared, answering) = (Arc::clone(&shared), Arc::clone(&answering));
        async move { Ok::<_, Infallible>(answer(request, &shared, &answering).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_buf_size(MAX_BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    let watched = graceful.watch(connection);
    async move {
        match watched.await {
            Ok(()) => Ok(()),
            Err(_) if write.is_expired() => Err(AdminClosed::Write),
            Err(error) if error.is_timeout() => Err(AdminClosed::Idle),
            // A peer that breaks off its own connection is no error.
            Err(_) => Ok(()),
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: &Shared,
    answering: &AtomicBool,
) -> Response<AnswerBody> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, MAX_BODY).collect();
    let refused = match tokio::time::timeout(shared.timeout, body).await {
        Ok(Ok(body)) => {
            let request = Request::from_parts(head, body.to_bytes());
            answering.store(true, Ordering::Release);
            let answer = shared.routes.answer(request, &shared.access).await;
            answering.store(false, Ordering::Release);
            return answer;
        }
        Ok(Err(_)) => text(StatusCode::PAYLOAD_TOO_LARGE, "the body is broken or past 64 KiB\n"),
        Err(_) => text(StatusCode::REQUEST_TIMEOUT, "the body did not come in time\n"),
    };
    refused.map(AnswerBody::new)
}

/// The open connections in the order of their age.
#[derive(Default)]
struct Open {
    connections: Mutex<Connections>,
}

#[derive(Default)]
struct Connections {
    next: u64,
    open: BTreeMap<u64, OpenConnection>,
}

struct OpenConnection {
    /// Dropped to close it.
    _evict: oneshot::Sender<()>,
    /// Whether its request is complete and waits for its answer.
    answering: Arc<AtomicBool>,
}

struct ConnectionPlace {
    evicted: oneshot::Receiver<()>,
    answering: Arc<AtomicBool>,
    evicted_another: bool,
}

impl Open {
    fn add(&self) -> (u64, ConnectionPlace) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let mut evicted_another = false;
        if connections.open.len() >= MAX_CONNECTIONS {
            let open = &connections.open;
            let idle = open.iter().find(|(_, one)| !one.answering.load(Ordering::Acquire));
            if let Some(id) = idle.or(open.first_key_value()).map(|(id, _)| *id) {
                evicted_another = connections.open.remove(&id).is_some();
            }
        }
        let id = connections.next;
        connections.next += 1;
        let (evict, evicted) = oneshot::channel();
        let answering = Arc::new(AtomicBool::new(false));
        let one = OpenConnection { _evict: evict, answering: Arc::clone(&answering) };
        connections.open.insert(id, one);
        (id, ConnectionPlace { evicted, answering, evicted_another })
    }

    /// How many wait for their answer.
    fn answering(&self) -> u64 {
        let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.open.values().filter(|one| one.answering.load(Ordering::Acquire)).count() as u64
    }

    fn remove(&self, id: u64) {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).open.remove(&id);
    }
}
