//! Listening: accepts connections within a bound, and ends them in good order.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Connections of one listener that are served at once; further ones wait to be accepted.
const CONNECTIONS: usize = 128;
/// A connection that has said nothing for so long is closed.
const SILENCE: Duration = Duration::from_secs(15);
/// After a failed accept: out of file descriptors must not become a busy loop.
const AFTER_FAILURE: Duration = Duration::from_millis(100);
/// How long requests may take to end after the stop.
const GRACE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// Serves `listener` until `stop` turns true: `answer` is given every request with the address that
/// it was sent to.
pub(crate) async fn serve<A, F, B>(
    listener: TcpListener,
    protocol: Protocol,
    answer: A,
    mut stop: watch::Receiver<bool>,
) where
    A: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stopped| *stopped) => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((stream, place)) = accepted else { continue };
        let Ok(local) = stream.local_addr() else { continue };
        let answer = answer.clone();
        let watcher = graceful.watcher();
        connections.spawn(async move {
            let _place = place;
            if tokio::time::timeout(SILENCE, stream.readable()).await.is_err() {
                return;
            }
            let service = service_fn(move |request| {
                let answered = answer(request, local);
                async move { Ok::<_, Infallible>(answered.await) }
            });
            let stream = TokioIo::new(stream);
            // What breaks a connection is told to its other end; here nobody could mend it.
            let _ = match protocol {
                Protocol::Http1 => {
                    let mut server = http1::Builder::new();
                    server.timer(TokioTimer::new()).header_read_timeout(SILENCE);
                    watcher.watch(server.serve_connection(stream, service)).await
                }
                Protocol::Http2 => {
                    let mut server = http2::Builder::new(TokioExecutor::new());
                    server
                        .timer(TokioTimer::new())
                        .keep_alive_interval(SILENCE)
                        .keep_alive_timeout(SILENCE)
                        .max_concurrent_streams(64);
                    watcher.watch(server.serve_connection(stream, service)).await
                }
            };
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(GRACE, graceful.shutdown()).await;
    connections.shutdown().await;
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            let _ = stream.set_nodelay(true);
            Some((stream, place))
        }
        Err(_) => {
            tokio::time::sleep(AFTER_FAILURE).await;
            None
        }
    }
}
