//! The admin server's own thread, runtime and accept loop.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, oneshot};

use crate::Error;
use crate::admin::AdminServer;
use crate::admin::access::Access;
use crate::admin::listen::{Listener, Place, Stream};
use crate::admin::routes::{Routes, text};
use crate::error::Kind;

/// A scraper, a kubelet and a few people: more at once is a mistake or an attack.
const CONNECTIONS: usize = 64;
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(5);
/// Past the deadline of a stop, before the thread is left behind.
const STOP_GRACE: Duration = Duration::from_millis(100);
const LONGEST_BODY: usize = 64 * 1024;

pub(crate) struct Thread {
    stop: Option<oneshot::Sender<Duration>>,
    handle: Option<JoinHandle<()>>,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
}

impl Thread {
    pub(crate) fn stop(&mut self, deadline: Duration) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(deadline);
        }
        let Some(handle) = self.handle.take() else { return };
        let ended = self.ended.recv_timeout(deadline.saturating_add(STOP_GRACE));
        if matches!(ended, Err(RecvTimeoutError::Timeout)) {
            // A handler blocks its thread: the shutdown does not wait for it.
            tracing::warn!("the admin server did not stop in time: left to the process's end");
            return;
        }
        if handle.join().is_err() {
            tracing::error!("the admin server's thread panicked");
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.stop(Duration::from_millis(100));
    }
}

/// A runtime that may be dropped anywhere: tokio's own panics when that is inside another runtime.
struct OwnRuntime(Option<Runtime>);

impl OwnRuntime {
    fn enter<T>(&self, work: impl FnOnce() -> std::io::Result<T>) -> std::io::Result<T> {
        let _entered = self.0.as_ref().map(Runtime::enter);
        work()
    }

    fn block_on(&self, work: impl Future<Output = ()>) {
        if let Some(runtime) = &self.0 {
            runtime.block_on(work);
        }
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

pub(crate) fn start(place: &Place, routes: Routes, access: Access) -> Result<AdminServer, Error> {
    let what = "the admin server";
    let bind = |source| Error::new(Kind::Bind { what, place: place.to_string(), source });
    let failed = |source| Error::new(Kind::Thread { what, source });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = OwnRuntime(Some(runtime.map_err(failed)?));
    let listener = runtime.enter(|| Listener::bind(place)).map_err(bind)?;
    let addr = listener.local_addr().map_err(bind)?;
    let (stop, stopped) = oneshot::channel();
    let (ends, ended) = channel::<()>();
    let serve = move || {
        let _ends = ends;
        runtime.block_on(serve(listener, routes, access, stopped));
    };
    let handle =
        std::thread::Builder::new().name("obs-admin".into()).spawn(serve).map_err(failed)?;
    Ok(AdminServer { addr, thread: Thread { stop: Some(stop), handle: Some(handle), ended } })
}

async fn serve(
    listener: Listener,
    routes: Routes,
    access: Access,
    mut stopped: oneshot::Receiver<Duration>,
) {
    let shared = Arc::new((routes, access));
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let deadline = loop {
        let accepting = async {
            let place = Arc::clone(&places).acquire_owned().await;
            let place = place.map_err(std::io::Error::other)?;
            Ok::<_, std::io::Error>((listener.accept().await?, place))
        };
        let accepted = tokio::select! {
            deadline = &mut stopped => break deadline.unwrap_or_default(),
            accepted = accepting => accepted,
        };
        let Ok((stream, place)) = accepted else {
            // Out of file descriptors, most often: trying again at once would burn a core.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let connection = connection(stream, Arc::clone(&shared), &graceful);
        tokio::spawn(async move {
            connection.await;
            drop(place);
        });
    };
    drop(listener);
    let _ = tokio::time::timeout(deadline, graceful.shutdown()).await;
}

fn connection(
    stream: Stream,
    shared: Arc<(Routes, Access)>,
    graceful: &GracefulShutdown,
) -> impl Future<Output = ()> + Send + 'static {
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(request, &shared.0, &shared.1).await.map(Full::new)) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let watched = graceful.watch(connection);
    async move {
        // A peer that breaks its own connection off has nothing to tell us.
        let _ = watched.await;
    }
}

async fn answer(request: Request<Incoming>, routes: &Routes, access: &Access) -> Response<Bytes> {
    let (head, body) = request.into_parts();
    let collected =
        tokio::time::timeout(HEADER_READ_TIMEOUT, Limited::new(body, LONGEST_BODY).collect()).await;
    match collected {
        Ok(Ok(body)) => routes.answer(Request::from_parts(head, body.to_bytes()), access).await,
        Ok(Err(_)) => text(StatusCode::PAYLOAD_TOO_LARGE, "the body is broken or past 64 KiB\n"),
        Err(_) => text(StatusCode::REQUEST_TIMEOUT, "the body did not come within 5 s\n"),
    }
}
