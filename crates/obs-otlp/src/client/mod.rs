//! A small HTTP client: a request with a body, a bounded answer.
//!
//! One connection pool over hyper, with the crate's policy on proxies, TLS and redirects (none is followed).
//! Its own log events are discarded, so that telemetry makes no telemetry.

mod answer;
mod connect;
mod http_date;
mod proxy;
mod stream;
#[cfg(feature = "tls")]
mod tls;

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, HeaderName, HeaderValue, USER_AGENT};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as Pool;
use tokio::time::{Instant, timeout_at};
use tracing::Dispatch;
use tracing::instrument::WithSubscriber;

pub use answer::Answer;
pub use proxy::Proxies;

use crate::error::Error;
use crate::options::TlsIdentity;

#[cfg(not(feature = "tls"))]
type Connector = connect::Connector;
#[cfg(feature = "tls")]
type Connector = hyper_rustls::HttpsConnector<connect::Connector>;

/// How a [`Client`] is made.
#[derive(Clone, Debug)]
#[must_use = "call `build`"]
pub struct Builder {
    proxies: Proxies,
    identity: TlsIdentity,
    connect_timeout: Duration,
    max_answer_bytes: usize,
    http2_only: bool,
    /// Whether `https://` is asked for, for which the system's roots are read.
    secure: bool,
    socket: Option<PathBuf>,
}

/// Sends requests, and keeps its connections for the next ones.
///
/// It works on the tokio runtime that it is used on first, and on that alone.
pub struct Client {
    pool: Pool<Connector, Full<Bytes>>,
    has_connected: Arc<AtomicBool>,
    proxies: Proxies,
    max_answer_bytes: usize,
    http2_only: bool,
}

/// Why there is no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    text: String,
    sent: bool,
}

impl Builder {
    /// With no proxy, the system's roots, 10 s for a connection, and answers of 64 KiB.
    pub fn new() -> Self {
        Self {
            proxies: Proxies::default(),
            identity: TlsIdentity::default(),
            connect_timeout: Duration::from_secs(10),
            max_answer_bytes: 64 * 1024,
            http2_only: false,
            secure: true,
            socket: None,
        }
    }

    /// The proxies.
    pub fn proxies(mut self, proxies: Proxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// Trusted roots and the client's certificate (feature `tls`).
    pub fn identity(mut self, identity: TlsIdentity) -> Self {
        self.identity = identity;
        self
    }

    /// The timeout of a connection attempt. Default: 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The most bytes of a response's body that are read. Default: 64 KiB.
    pub fn max_answer_bytes(mut self, bytes: usize) -> Self {
        self.max_answer_bytes = bytes;
        self
    }

    /// HTTP/2 with prior knowledge: for gRPC.
    pub fn http2_only(mut self) -> Self {
        self.http2_only = true;
        self
    }

    /// Only `http://` is used: the system's root certificates are not read.
    pub fn plain_only(mut self) -> Self {
        self.secure = false;
        self
    }

    /// Connects to this Unix-domain socket, whatever host a URL names.
    #[cfg(unix)]
    pub fn socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.socket = Some(path.into());
        self
    }

    /// Reads the certificates.
    ///
    /// # Errors
    ///
    /// A file holds no certificate or key, or they do not fit.
    pub fn build(self) -> Result<Client, Error> {
        let connector =
            connect::Connector::new(self.connect_timeout, self.proxies.clone(), self.http2_only);
        #[cfg(unix)]
        let connector = match self.socket.as_deref().map(Arc::<Path>::from) {
            Some(socket) => connector.with_socket(socket),
            None => connector,
        };
        let has_connected = Arc::clone(&connector.has_connected);
        let connector = secured(connector, &self.identity, self.secure)?;
        let pool = Pool::builder(SilentExecutor).http2_only(self.http2_only).build(connector);
        Ok(Client {
            pool,
            has_connected,
            proxies: self.proxies,
            max_answer_bytes: self.max_answer_bytes,
            http2_only: self.http2_only,
        })
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Client {
    /// Starts a builder.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Whether a connection was ever made: if not, no request was sent.
    pub fn has_connected(&self) -> bool {
        self.has_connected.load(Ordering::Acquire)
    }

    /// Sends a request and reads its answer, for at most `timeout`. User and password of the URL become the
    /// `authorization`, unless there is one.
    ///
    /// # Errors
    ///
    /// There is no response. A response that is not a success is no error here.
    pub async fn send(
        &self,
        mut request: Request<Bytes>,
        timeout: Duration,
    ) -> Result<Answer, Failure> {
        let deadline = Instant::now().checked_add(timeout.min(MAX_WAIT));
        let deadline = deadline.unwrap_or_else(Instant::now);
        let (uri, authorization) = strip_userinfo(request.uri());
        if uri.scheme() == Some(&Scheme::HTTPS) && !cfg!(feature = "tls") {
            let text = "https:// needs the feature `tls`".to_owned();
            return Err(Failure { text, sent: false });
        }
        let proxied = uri.scheme() == Some(&Scheme::HTTP) && !self.http2_only;
        let proxy_authorization = self.proxies.authorization(&uri).filter(|_| proxied);
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        if let Some(value) = authorization {
            headers.entry(AUTHORIZATION).or_insert(value);
        }
        if let Some(value) = proxy_authorization {
            headers.insert(http::header::PROXY_AUTHORIZATION, value);
        }
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(USER_AGENT_VALUE));
        let answer = self.answered(request.map(Full::new), timeout, deadline);
        answer.with_subscriber(Dispatch::none()).await
    }

    async fn answered(
        &self,
        request: Request<Full<Bytes>>,
        timeout: Duration,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let response = match timeout_at(deadline, self.pool.request(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(self.failure(&error)),
            Err(_) => {
                let text = format!("no answer within {timeout:?}");
                return Err(Failure { text, sent: true });
            }
        };
        let (head, mut body) = response.into_parts();
        let (mut read, mut trailers) = (BytesMut::new(), HeaderMap::new());
        let reading = self.read(&mut body, &mut read, &mut trailers);
        let is_complete = timeout_at(deadline, reading).await.unwrap_or(false);
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: read.freeze(),
            trailers,
            is_complete,
        })
    }

    /// Whether the body ended.
    async fn read(
        &self,
        body: &mut Incoming,
        read: &mut BytesMut,
        trailers: &mut HeaderMap,
    ) -> bool {
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            match frame.into_data() {
                Ok(data) if read.len() + data.len() > self.max_answer_bytes => {
                    let room = self.max_answer_bytes - read.len();
                    read.extend_from_slice(data.get(..room).unwrap_or(&data));
                    return false;
                }
                Ok(data) => read.extend_from_slice(&data),
                Err(frame) => trailers.extend(frame.into_trailers().unwrap_or_default()),
            }
        }
        true
    }

    fn failure(&self, error: &hyper_util::client::legacy::Error) -> Failure {
        let mut text = connect::causes(error);
        let source =
            std::error::Error::source(error).and_then(|e| e.downcast_ref::<hyper::Error>());
        if source.is_some_and(hyper::Error::is_parse) {
            text.push_str("; that is no HTTP/1, as the port of gRPC: say the protocol");
        } else if self.http2_only && text.contains("http2 error") {
            text.push_str("; that may be no HTTP/2, as the port of plain HTTP: say the protocol");
        }
        Failure { text, sent: !error.is_connect() }
    }
}

impl Failure {
    /// Whether the request may have reached the other side.
    pub fn may_have_arrived(&self) -> bool {
        self.sent
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("proxies", &self.proxies).finish_non_exhaustive()
    }
}

const USER_AGENT_VALUE: &str = concat!("OTel-OTLP-Exporter-obs-rust/", env!("CARGO_PKG_VERSION"));

/// The upper limit of a wait: adding `Duration::MAX` to a clock overflows.
const MAX_WAIT: Duration = Duration::from_secs(365 * 24 * 3600);

/// Runs hyper's tasks without a subscriber.
#[derive(Clone, Copy, Debug)]
struct SilentExecutor;

impl<F> hyper::rt::Executor<F> for SilentExecutor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, task: F) {
        tokio::spawn(task.with_subscriber(Dispatch::none()));
    }
}

#[cfg(not(feature = "tls"))]
fn secured(connector: connect::Connector, _: &TlsIdentity, _: bool) -> Result<Connector, Error> {
    Ok(connector)
}

#[cfg(feature = "tls")]
fn secured(
    connector: connect::Connector,
    identity: &TlsIdentity,
    secure: bool,
) -> Result<Connector, Error> {
    let config = tls::config(identity, secure)
        .map_err(|cause| Error::new(cause, "give readable PEM files that fit"))?;
    Ok(hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_or_http()
        .enable_http1()
        .enable_http2()
        .wrap_connector(connector))
}

/// The URL without user and password, and the header made of them.
fn strip_userinfo(uri: &Uri) -> (Uri, Option<HeaderValue>) {
    let found = uri.authority().and_then(|authority| authority.as_str().rsplit_once('@'));
    let Some((user, host)) = found else { return (uri.clone(), None) };
    let plain = percent_encoding::percent_decode_str(user).collect::<Vec<u8>>();
    let value = format!("Basic {}", BASE64_STANDARD.encode(plain));
    let mut parts = uri.clone().into_parts();
    parts.authority = host.parse::<Authority>().ok();
    let value = HeaderValue::try_from(value).ok().map(|mut value| {
        value.set_sensitive(true);
        value
    });
    (Uri::from_parts(parts).unwrap_or_else(|_| uri.clone()), value)
}

/// The URL without user, password and query, which may be secrets.
pub fn redacted(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit('@').next().unwrap_or_default();
    let query = if uri.query().is_some() { "?***" } else { "" };
    format!("{}://{host}{}{query}", uri.scheme_str().unwrap_or_default(), uri.path())
}

/// A header that can be sent.
///
/// # Errors
///
/// The name or the value is none. The value, which may be a secret, is not in the text.
pub fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Error> {
    let parsed = (name.parse::<HeaderName>().ok(), value.parse::<HeaderValue>().ok());
    let (Some(name), Some(mut value)) = parsed else {
        return Err(Error::new(
            format_args!("`{}` is no header that can be sent", name.escape_debug()),
            "give a name of letters, digits and dashes, and a value without line breaks",
        ));
    };
    value.set_sensitive(true);
    Ok((name, value))
}
