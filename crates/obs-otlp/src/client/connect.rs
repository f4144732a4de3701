//! Connects to a URL: directly, through a proxy, or to a Unix-domain socket.

use std::error::Error;
use std::future::Future;
#[cfg(unix)]
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::{Authority, Scheme};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioIo;
use tower_service::Service;

use super::proxy::Proxies;
use super::stream::Stream;

type BoxError = Box<dyn Error + Send + Sync>;

#[derive(Clone, Debug)]
pub(super) struct Connector {
    tcp: HttpConnector,
    proxies: Proxies,
    /// Uses a tunnel for `http://` too: proxies do not forward HTTP/2.
    tunnels_all: bool,
    /// Whether a connection was ever made.
    pub(super) has_connected: Arc<AtomicBool>,
    /// Connects to this socket instead of the URL's host.
    #[cfg(unix)]
    socket: Option<Arc<Path>>,
}

impl Connector {
    pub(super) fn new(timeout: Duration, proxies: Proxies, tunnels_all: bool) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(timeout));
        tcp.set_nodelay(true);
        Self {
            tcp,
            proxies,
            tunnels_all,
            has_connected: Arc::default(),
            #[cfg(unix)]
            socket: None,
        }
    }

    #[cfg(unix)]
    pub(super) fn with_socket(mut self, socket: Arc<Path>) -> Self {
        self.socket = Some(socket);
        self
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, BoxError>> + Send>>;

    fn poll_ready(&mut self, task: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(task).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, has_connected) = (self.connect(uri), Arc::clone(&self.has_connected));
        Box::pin(async move {
            let stream = connecting.await?;
            has_connected.store(true, Ordering::Release);
            Ok(stream)
        })
    }
}

impl Connector {
    fn connect(&self, uri: Uri) -> <Self as Service<Uri>>::Future {
        let mut tcp = self.tcp.clone();
        #[cfg(unix)]
        if let Some(socket) = self.socket.clone() {
            return Box::pin(async move {
                let connected = tokio::net::UnixStream::connect(&*socket).await;
                let connected = connected.map_err(|e| format!("{}: {e}", socket.display()))?;
                Ok(Stream::Unix(TokioIo::new(connected)))
            });
        }
        let Some(proxy) = self.proxies.for_uri(&uri) else {
            return Box::pin(async move { Ok(Stream::Direct(tcp.call(uri).await?)) });
        };
        let to = proxy.uri().clone();
        let failed = |error: BoxError, to: &Uri| {
            let cause = causes(&*error);
            BoxError::from(format!("through the proxy {to}: {cause}"))
        };
        if uri.scheme() == Some(&Scheme::HTTP) && !self.tunnels_all {
            return Box::pin(async move {
                let connected = tcp.call(to.clone()).await;
                connected.map(Stream::Proxied).map_err(|error| failed(error.into(), &to))
            });
        }
        let mut tunnel = Tunnel::new(to.clone(), tcp);
        if let Some(authorization) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(authorization.clone());
        }
        Box::pin(async move {
            let through = tunnel.call(with_port(uri)).await;
            through.map(Stream::Direct).map_err(|error| failed(error.into(), &to))
        })
    }
}

/// Adds port 80: a tunnel without a port goes to 443.
fn with_port(uri: Uri) -> Uri {
    if uri.port().is_some() || uri.scheme() == Some(&Scheme::HTTPS) {
        return uri;
    }
    let mut parts = uri.clone().into_parts();
    let authority = parts.authority.as_ref().map(|known| format!("{}:80", known.host()));
    parts.authority = authority.and_then(|text| text.parse::<Authority>().ok());
    Uri::from_parts(parts).unwrap_or(uri)
}

/// An error with its causes: hyper's own text leaves out the cause.
pub(super) fn causes(error: &(dyn Error + 'static)) -> String {
    const MAX_CAUSES: usize = 16; // a source may, by mistake, lead back to itself
    let chain = std::iter::successors(Some(error), |&error| error.source()).take(MAX_CAUSES);
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
