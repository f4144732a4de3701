//! A collector that answers as it is told, over gRPC and over HTTP.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::spans_of;

/// How one request is answered; requests past the list are accepted.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Accept,
    /// Accepts after this long.
    Late(Duration),
    /// Never answers.
    Hang,
    /// Refuses this many of the spans.
    Partial(i64),
    /// A gRPC code, with a `RetryInfo` of this long.
    Grpc(i32, Option<Duration>),
    /// An HTTP status, with a `Retry-After` in seconds.
    Http(u16, Option<u64>),
}

#[derive(Clone, Default)]
pub(crate) struct Collector(Arc<State>);

#[derive(Default)]
struct State {
    answers: Mutex<VecDeque<Answer>>,
    accepted: Mutex<Vec<ExportTraceServiceRequest>>,
    seen: Mutex<Vec<Seen>>,
}

/// A request, whatever was answered.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) path: String,
}

/// Stops its server when dropped, connections and all.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().map(std::thread::JoinHandle::join);
    }
}

impl Collector {
    pub(crate) fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        let collector = Self::default();
        collector.0.answers.lock().unwrap().extend(answers);
        collector
    }

    pub(crate) fn accepted(&self) -> u64 {
        self.0.accepted.lock().unwrap().iter().map(|request| spans_of(request).count() as u64).sum()
    }

    pub(crate) fn requests(&self) -> Vec<ExportTraceServiceRequest> {
        self.0.accepted.lock().unwrap().clone()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.0.seen.lock().unwrap().clone()
    }

    pub(crate) fn grpc(&self) -> Running {
        self.grpc_on(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    pub(crate) fn grpc_on(&self, address: SocketAddr) -> Running {
        let service = TraceServiceServer::new(self.clone())
            .accept_compressed(tonic::codec::CompressionEncoding::Gzip);
        run(address, move |listener, stop| async move {
            let incoming = tonic::transport::server::TcpIncoming::from(listener);
            let server = tonic::transport::Server::builder().add_service(service);
            tokio::select! {
                served = server.serve_with_incoming(incoming) => served.unwrap(),
                _ = stop => {}
            }
        })
    }

    #[cfg(feature = "tls")]
    pub(crate) fn grpc_secured(&self, tls: tonic::transport::ServerTlsConfig) -> Running {
        let service = TraceServiceServer::new(self.clone());
        run(SocketAddr::from(([127, 0, 0, 1], 0)), move |listener, stop| async move {
            let incoming = tonic::transport::server::TcpIncoming::from(listener);
            let mut server = tonic::transport::Server::builder().tls_config(tls).unwrap();
            tokio::select! {
                served = server.add_service(service).serve_with_incoming(incoming) => served.unwrap(),
                _ = stop => {}
            }
        })
    }

    pub(crate) fn http(&self) -> Running {
        let collector = self.clone();
        run(SocketAddr::from(([127, 0, 0, 1], 0)), move |listener, mut stop| async move {
            loop {
                let stream = tokio::select! {
                    accepted = listener.accept() => accepted.unwrap().0,
                    _ = &mut stop => return,
                };
                let collector = collector.clone();
                let service = hyper::service::service_fn(move |request| {
                    let collector = collector.clone();
                    async move { Ok::<_, Infallible>(collector.answer_http(request).await) }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        })
    }

    async fn next(&self, request: &ExportTraceServiceRequest) -> Answer {
        let answer = self.0.answers.lock().unwrap().pop_front().unwrap_or(Answer::Accept);
        match answer {
            Answer::Late(late) => tokio::time::sleep(late).await,
            Answer::Hang => std::future::pending().await,
            _ => {}
        }
        if matches!(answer, Answer::Accept | Answer::Late(_) | Answer::Partial(_)) {
            self.0.accepted.lock().unwrap().push(request.clone());
        }
        answer
    }

    fn saw(&self, path: &str, headers: &hyper::HeaderMap) {
        let text = |value: &hyper::header::HeaderValue| value.to_str().unwrap().to_owned();
        let headers = headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let seen = Seen { at: Instant::now(), headers, path: path.to_owned() };
        self.0.seen.lock().unwrap().push(seen);
    }

    async fn answer_http(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        self.saw(request.uri().path(), request.headers());
        let gzip = request.headers().get("content-encoding").is_some();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let body = if gzip { unzipped(&body) } else { body.to_vec() };
        let request = ExportTraceServiceRequest::decode(&body[..]).unwrap();
        match self.next(&request).await {
            Answer::Http(status, after) => {
                let mut response = Response::builder().status(status);
                if let Some(seconds) = after {
                    response = response.header("retry-after", seconds);
                }
                response.body(Full::default()).unwrap()
            }
            Answer::Partial(rejected) => {
                Response::new(Full::new(partial(rejected).encode_to_vec().into()))
            }
            _ => Response::new(Full::new(
                ExportTraceServiceResponse::default().encode_to_vec().into(),
            )),
        }
    }
}

type Exporting<'a> = Pin<
    Box<
        dyn Future<Output = Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status>>
            + Send
            + 'a,
    >,
>;

impl TraceService for Collector {
    fn export<'life0, 'async_trait>(
        &'life0 self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Exporting<'async_trait>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move {
            self.saw("", request.metadata().as_ref());
            match self.next(request.get_ref()).await {
                Answer::Grpc(code, after) => {
                    let details = after.map(|after| details(code, after)).unwrap_or_default();
                    Err(tonic::Status::with_details(code.into(), "told so", details.into()))
                }
                Answer::Partial(rejected) => Ok(tonic::Response::new(partial(rejected))),
                _ => Ok(tonic::Response::new(ExportTraceServiceResponse::default())),
            }
        })
    }
}

fn partial(rejected_spans: i64) -> ExportTraceServiceResponse {
    let error_message = "too many attributes".to_owned();
    let partial_success = Some(ExportTracePartialSuccess { rejected_spans, error_message });
    ExportTraceServiceResponse { partial_success }
}

/// `google.rpc.Status { code, details: [Any(RetryInfo { retry_delay })] }`, by hand.
fn details(code: i32, after: Duration) -> Vec<u8> {
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, content.len() as u8][..], content].concat()
    }
    let nanos = after.subsec_nanos();
    let mut delay = vec![1 << 3, after.as_secs() as u8, 2 << 3];
    prost::encoding::encode_varint(u64::from(nanos), &mut delay);
    let any = [field(1, b"type.googleapis.com/google.rpc.RetryInfo"), field(2, &field(1, &delay))]
        .concat();
    [vec![1 << 3, code as u8], field(3, &any)].concat()
}

fn unzipped(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(bytes), &mut plain).unwrap();
    plain
}

fn run<F, W>(address: SocketAddr, serve: F) -> Running
where
    F: FnOnce(TcpListener, oneshot::Receiver<()>) -> W + Send + 'static,
    W: Future<Output = ()>,
{
    let (stop, stopped) = oneshot::channel();
    let (told, bound) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind(address).await.unwrap();
            told.send(listener.local_addr().unwrap()).unwrap();
            serve(listener, stopped).await;
        });
        runtime.shutdown_background();
    });
    Running { address: bound.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
}
