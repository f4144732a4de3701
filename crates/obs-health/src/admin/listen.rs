//! Where an admin server listens: an address, or a socket in the file system.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::net::TcpListener;
use tokio_util::either::Either;

#[cfg(unix)]
use crate::admin::socket::{self, SocketFile};

#[derive(Clone, Debug)]
pub(crate) enum Endpoint {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(addr) => addr.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    /// Its file is removed when the listener is dropped.
    #[cfg(unix)]
    Unix {
        listener: tokio::net::UnixListener,
        _file: SocketFile,
    },
}

#[cfg(unix)]
pub(crate) type Stream = Either<tokio::net::TcpStream, tokio::net::UnixStream>;
#[cfg(not(unix))]
pub(crate) type Stream = Either<tokio::net::TcpStream, tokio::net::TcpStream>;

impl Listener {
    /// Inside a tokio runtime.
    pub(crate) fn bind(endpoint: &Endpoint) -> io::Result<Self> {
        match endpoint {
            Endpoint::Tcp(addr) => {
                let listener = std::net::TcpListener::bind(addr)?;
                listener.set_nonblocking(true)?;
                Ok(Self::Tcp(TcpListener::from_std(listener)?))
            }
            #[cfg(unix)]
            Endpoint::Unix(path) => {
                let (listener, _file) = socket::bind(path)?;
                Ok(Self::Unix { listener, _file })
            }
            #[cfg(not(unix))]
            Endpoint::Unix(_) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "sockets in the file system are for Unix: listen on an address",
            )),
        }
    }

    pub(crate) fn local_addr(&self) -> io::Result<Option<SocketAddr>> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Some),
            #[cfg(unix)]
            Self::Unix { .. } => Ok(None),
        }
    }

    pub(crate) async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // A small answer must not wait for the peer's acknowledgement of the one before.
                let _ = stream.set_nodelay(true);
                Ok(Either::Left(stream))
            }
            #[cfg(unix)]
            Self::Unix { listener, .. } => Ok(Either::Right(listener.accept().await?.0)),
        }
    }
}
