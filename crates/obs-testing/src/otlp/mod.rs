//! A collector that answers as it is told, over every protocol of OTLP, with and without TLS; and a proxy.

mod answer;
mod certificate;
mod proxy;

use std::collections::VecDeque;
use std::future::pending;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

pub use answer::Answer;
use answer::{Body, RequestFormat};
pub use certificate::Certificate;
pub use proxy::Proxy;

/// Listens on a free port of the loopback until it is dropped. It speaks HTTP/1 and HTTP/2, and understands both
/// of OTLP's requests.
#[derive(Debug)]
pub struct Collector {
    addr: SocketAddr,
    is_secure: bool,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    answers: Mutex<VecDeque<Answer>>,
    seen: Mutex<Vec<ReceivedRequest>>,
    stop: Notify,
}

/// A request, whatever was answered.
#[derive(Clone, Debug)]
pub struct ReceivedRequest {
    /// When its body was complete.
    pub at: Instant,
    /// The path with its query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Without compression and framing.
    pub body: Vec<u8>,
}

impl ReceivedRequest {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl Collector {
    /// Answers the first requests with these, and accepts all that come after them.
    pub fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::serve(answers, None)
    }

    /// The same over TLS.
    pub fn start_secured(
        answers: impl IntoIterator<Item = Answer>,
        certificate: &Certificate,
    ) -> Self {
        Self::serve(answers, Some(certificate.acceptor()))
    }

    fn serve(
        answers: impl IntoIterator<Item = Answer>,
        tls: Option<tokio_rustls::TlsAcceptor>,
    ) -> Self {
        let shared = Arc::new(Shared {
            answers: Mutex::new(answers.into_iter().collect()),
            ..Shared::default()
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let (of_thread, is_secure) = (Arc::clone(&shared), tls.is_some());
        let thread = std::thread::spawn(move || {
            on_runtime(async {
                let listener = TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    () = accept(listener, tls, &of_thread) => {}
                    () = of_thread.stop.notified() => {}
                }
            });
        });
        Self { addr, is_secure, shared, thread: Some(thread) }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The same as a URL.
    pub fn url(&self) -> String {
        let scheme = if self.is_secure { "https" } else { "http" };
        format!("{scheme}://localhost:{}", self.addr.port())
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<ReceivedRequest> {
        lock(&self.shared.seen).clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.shared.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

fn on_runtime(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work);
    runtime.shutdown_background();
}

async fn accept(
    listener: TcpListener,
    tls: Option<tokio_rustls::TlsAcceptor>,
    shared: &Arc<Shared>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, shared) = (tls.clone(), Arc::clone(shared));
        tokio::spawn(async move {
            match tls {
                None => serve_connection(stream, shared).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve_connection(stream, shared).await;
                    }
                }
            }
        });
    }
}

async fn serve_connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    shared: Arc<Shared>,
) {
    let reset = Arc::new(Notify::new());
    let resets = Arc::clone(&reset);
    let service = service_fn(move |request| {
        let (shared, reset) = (Arc::clone(&shared), Arc::clone(&reset));
        async move { Ok::<_, std::io::Error>(shared.answer(request, &reset).await) }
    });
    let server = auto::Builder::new(TokioExecutor::new());
    let connection = server.serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        _ = connection => {}
        () = resets.notified() => {} // and the stream is dropped in the middle of it
    }
}

impl Shared {
    async fn answer(&self, request: Request<Incoming>, reset: &Notify) -> Response<Body> {
        let (head, body) = request.into_parts();
        let body =
            body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let text = |value: &hyper::header::HeaderValue| value.to_str().unwrap_or("?").to_owned();
        let headers: Vec<_> =
            head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let value = |name: &str| head.headers.get(name).map(text).unwrap_or_default();
        let format = RequestFormat::of(&value("content-type"));
        let body = decode_body(format, &value("content-encoding"), &body);
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let rejected_key = rejected_key(&path);
        lock(&self.seen).push(ReceivedRequest { at: Instant::now(), path, headers, body });
        let answer = lock(&self.answers).pop_front().unwrap_or(Answer::Accept);
        match answer {
            Answer::Late(late) => tokio::time::sleep(late).await,
            Answer::Hang => pending().await,
            Answer::Reset => reset.notify_one(),
            _ => {}
        }
        if matches!(answer, Answer::Reset) {
            pending::<()>().await;
        }
        answer.response(format, rejected_key)
    }
}

fn rejected_key(path: &str) -> &'static str {
    match path {
        path if path.contains("logs") => "rejectedLogRecords",
        path if path.contains("metrics") => "rejectedDataPoints",
        _ => "rejectedSpans",
    }
}

/// The message itself.
fn decode_body(format: RequestFormat, encoding: &str, body: &Bytes) -> Vec<u8> {
    let (is_zipped, content) = match (format, &body[..]) {
        (RequestFormat::Grpc, [is_compressed, _, _, _, _, message @ ..]) => {
            (*is_compressed == 1, message)
        }
        (_, body) => (encoding == "gzip", body),
    };
    if !is_zipped {
        return content.to_vec();
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(content).read_to_end(&mut plain).unwrap();
    plain
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
