//! Listens: accepts a bounded number of connections, and closes them gracefully.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error as StdError;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// Connections of one listener that are open at once; past it the oldest that never had an answer is
/// closed, or else the oldest.
const MAX_CONNECTIONS: usize = 128;
/// A connection is closed after this time without a byte.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// After a failed accept: out of file descriptors must not become a busy loop.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);
/// How long requests may take to end after the stop.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
    /// Detected from the client's first bytes.
    Either,
}

/// The start of an HTTP/2 client's preface (RFC 9113, 3.4). Clients send it in one packet.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// Serves `listener` until `stop` turns true: `answer` is given every request with the address that
/// it was sent to, `evicted` is called for every connection that gave way to a newer one.
pub(crate) async fn serve<A, F, B>(
    listener: TcpListener,
    protocol: Protocol,
    answer: A,
    evicted: impl Fn(),
    mut stop: watch::Receiver<bool>,
) where
    A: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut open = VecDeque::new();
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stopped| *stopped) => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener) => accepted,
        };
        let Some(stream) = accepted else { continue };
        if evict_if_full(&mut open) {
            evicted();
        }
        let Ok(local) = stream.local_addr() else { continue };
        let answer = answer.clone();
        let watcher = graceful.watcher();
        let is_answered = Arc::new(AtomicBool::new(false));
        let answers = Arc::clone(&is_answered);
        let task = connections.spawn(async move {
            if tokio::time::timeout(IDLE_TIMEOUT, stream.readable()).await.is_err() {
                return;
            }
            let protocol = match protocol {
                Protocol::Either => detect_protocol(&stream).await,
                known => known,
            };
            let service = service_fn(move |request| {
                let (answered, answers) = (answer(request, local), Arc::clone(&answers));
                async move {
                    let answer = answered.await;
                    answers.store(true, Ordering::Release);
                    Ok::<_, Infallible>(answer)
                }
            });
            let stream = TokioIo::new(stream);
            // The client sees what broke its connection; there is nothing to do here.
            let _ = match protocol {
                Protocol::Http1 | Protocol::Either => {
                    let mut server = http1::Builder::new();
                    server.timer(TokioTimer::new()).header_read_timeout(IDLE_TIMEOUT);
                    watcher.watch(server.serve_connection(stream, service)).await
                }
                Protocol::Http2 => {
                    let mut server = http2::Builder::new(TokioExecutor::new());
                    server
                        .timer(TokioTimer::new())
                        .keep_alive_interval(IDLE_TIMEOUT)
                        .keep_alive_timeout(IDLE_TIMEOUT)
                        .max_concurrent_streams(64);
                    watcher.watch(server.serve_connection(stream, service)).await
                }
            };
        });
        open.push_back(OpenConnection { task, is_answered });
    }
    drop(listener);
    let _ = tokio::time::timeout(SHUTDOWN_TIMEOUT, graceful.shutdown()).await;
    connections.shutdown().await;
}

async fn detect_protocol(stream: &TcpStream) -> Protocol {
    let mut begin = [0; PREFACE.len()];
    let count = stream.peek(&mut begin).await.unwrap_or(0);
    if begin.get(..count) == Some(PREFACE) { Protocol::Http2 } else { Protocol::Http1 }
}

struct OpenConnection {
    task: AbortHandle,
    /// Whether it had an answer.
    is_answered: Arc<AtomicBool>,
}

/// Closes a connection where the limit is reached, and returns whether it did.
fn evict_if_full(open: &mut VecDeque<OpenConnection>) -> bool {
    if open.len() >= MAX_CONNECTIONS {
        open.retain(|one| !one.task.is_finished());
    }
    if open.len() < MAX_CONNECTIONS {
        return false;
    }
    let unanswered = open.iter().position(|one| !one.is_answered.load(Ordering::Acquire));
    if let Some(one) = open.remove(unanswered.unwrap_or(0)) {
        one.task.abort();
    }
    true
}

async fn accept(listener: &TcpListener) -> Option<TcpStream> {
    match listener.accept().await {
        Ok((stream, _)) => {
            // A failure only delays the answer.
            let _ = stream.set_nodelay(true);
            Some(stream)
        }
        Err(_) => {
            tokio::time::sleep(ACCEPT_BACKOFF).await;
            None
        }
    }
}
