//! What stands between a TCP connection and HTTP: nothing, or a handshake.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Turns a TCP connection into the stream that HTTP is spoken on, such as that of a TLS session.
///
/// A handshake runs beside all other connections and ends at
/// [`ServerLimits::handshake_timeout`](crate::ServerLimits).
///
/// ```
/// use std::io;
/// use obs_health::Acceptor;
/// use tokio::net::TcpStream;
///
/// /// For example around `tokio_rustls::TlsAcceptor`, whose `accept` this would call.
/// #[derive(Clone)]
/// struct Tls;
///
/// impl Acceptor for Tls {
///     type Stream = TcpStream;
///
///     async fn accept(&self, stream: TcpStream) -> io::Result<TcpStream> {
///         Ok(stream)
///     }
/// }
/// ```
pub trait Acceptor: Clone + Send + Sync + 'static {
    /// What HTTP is spoken on.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The handshake.
    fn accept(&self, stream: TcpStream) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// No handshake: HTTP in plain text.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainTcp;

impl Acceptor for PlainTcp {
    type Stream = TcpStream;

    fn accept(&self, stream: TcpStream) -> impl Future<Output = io::Result<TcpStream>> + Send {
        std::future::ready(Ok(stream))
    }
}
