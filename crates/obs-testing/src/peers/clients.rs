//! Clients that get stuck at a point of HTTP.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::BYTE_INTERVAL;

const HEAD: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// An empty SETTINGS frame.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
/// HTTP/2's HEADERS of a GET of `/`, stream 1, which ends its request.
const HTTP2_GET: &[u8] = b"\0\0\x0e\x01\x05\0\0\0\x01\x82\x86\x84\x41\x09localhost";
/// HEADERS of a POST to `/`, stream 1, and ten bytes of its body.
const HTTP2_HALF_POST: &[u8] =
    b"\0\0\x0e\x01\x04\0\0\0\x01\x83\x86\x84\x41\x09localhost\0\0\x0a\0\0\0\0\0\x010123456789";
/// Enough requests for any server's answers to fill both sockets' buffers.
const MAX_PIPELINED: usize = 1_000_000;

/// Where a client gets stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    /// Sends nothing.
    Silent,
    /// Sends half a request head.
    HalfHead,
    /// Sends half of HTTP/2's preface.
    HalfPreface,
    /// Sends HTTP/2's preface and SETTINGS, then nothing; reads nothing.
    SettingsThenSilence,
    /// Asks over HTTP/2, then sends nothing: answers no ping, opens no window; reads nothing.
    Http2Silence,
    /// Promises a body of 1,000 bytes and sends ten.
    HalfBody,
    /// Sends ten bytes of a body over HTTP/2, then nothing: answers no ping; reads nothing.
    Http2HalfBody,
    /// Sends requests until the server takes no more, and reads no answer.
    NeverReads,
    /// The same, and reads a byte each [`BYTE_INTERVAL`].
    ReadsSlowly,
    /// Sends a head, a byte each [`BYTE_INTERVAL`], that never ends.
    SendsHeadSlowly,
    /// Promises a body of 100,000 bytes and sends a byte each [`BYTE_INTERVAL`].
    SendsBodySlowly,
}

impl Client {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Silent,
        Self::HalfHead,
        Self::HalfPreface,
        Self::SettingsThenSilence,
        Self::Http2Silence,
        Self::HalfBody,
        Self::Http2HalfBody,
        Self::NeverReads,
        Self::ReadsSlowly,
        Self::SendsHeadSlowly,
        Self::SendsBodySlowly,
    ];

    fn begin(self, stream: &mut Stream) -> io::Result<()> {
        match self {
            Self::Silent => Ok(()),
            Self::HalfHead => stream.write_all(b"GET / HTTP/1.1\r\nhost: loc"),
            Self::HalfPreface => stream.write_all(&PREFACE[..PREFACE.len() / 2]),
            Self::SettingsThenSilence => stream.write_all(&[PREFACE, SETTINGS].concat()),
            Self::Http2Silence => stream.write_all(&[PREFACE, SETTINGS, HTTP2_GET].concat()),
            Self::Http2HalfBody => stream.write_all(&[PREFACE, SETTINGS, HTTP2_HALF_POST].concat()),
            Self::HalfBody => stream.write_all(
                b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n0123456789",
            ),
            Self::SendsHeadSlowly => stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nx: "),
            Self::SendsBodySlowly => stream
                .write_all(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n\r\n"),
            Self::NeverReads | Self::ReadsSlowly => stream.pipeline(),
        }
    }

    fn continue_slowly(self, stream: &mut Stream) {
        // A peer that is closed fails here, which `Clients::closed` counts.
        let _closed = match self {
            Self::ReadsSlowly => stream.read(&mut [0]).map(|_| ()),
            Self::SendsHeadSlowly | Self::SendsBodySlowly => stream.write_all(b"x"),
            _ => Ok(()),
        };
    }

    fn is_slow(self) -> bool {
        matches!(self, Self::ReadsSlowly | Self::SendsHeadSlowly | Self::SendsBodySlowly)
    }
}

/// Clients that are connected and stuck, until this is dropped.
#[derive(Debug)]
pub struct Clients {
    streams: Arc<Mutex<Vec<Stream>>>,
    pacer: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Clients {
    /// Connects `count` of them.
    ///
    /// # Errors
    ///
    /// When one cannot connect or cannot begin.
    pub fn connect(addr: SocketAddr, client: Client, count: usize) -> io::Result<Self> {
        Self::start(client, count, || TcpStream::connect(addr).map(Stream::Tcp))
    }

    /// Connects `count` of them to a Unix-domain socket.
    ///
    /// # Errors
    ///
    /// When one cannot connect or cannot begin.
    pub fn connect_unix(path: &Path, client: Client, count: usize) -> io::Result<Self> {
        Self::start(client, count, || UnixStream::connect(path).map(Stream::Unix))
    }

    fn start(
        client: Client,
        count: usize,
        connect: impl Fn() -> io::Result<Stream>,
    ) -> io::Result<Self> {
        let mut streams = Vec::with_capacity(count);
        for _ in 0..count {
            let mut stream = connect()?;
            stream.set_nonblocking()?;
            client.begin(&mut stream)?;
            streams.push(stream);
        }
        let streams = Arc::new(Mutex::new(streams));
        let pacer = client.is_slow().then(|| {
            let (stop, stopped) = channel();
            let paced = Arc::clone(&streams);
            let thread = std::thread::spawn(move || {
                while stopped.recv_timeout(BYTE_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                    let mut streams = paced.lock().unwrap_or_else(PoisonError::into_inner);
                    streams.iter_mut().for_each(|stream| client.continue_slowly(stream));
                }
            });
            (stop, thread)
        });
        Ok(Self { streams, pacer })
    }

    /// How many the server has closed, also while answers wait unread.
    ///
    /// # Errors
    ///
    /// When the kernel cannot look at them.
    pub fn closed(&self) -> io::Result<usize> {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let mut polled: Vec<_> = streams
            .iter()
            .map(|stream| PollFd::from_borrowed_fd(stream.as_fd(), PollFlags::RDHUP))
            .collect();
        poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
        Ok(polled.iter().filter(|one| !one.revents().is_empty()).count())
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.pacer.take() {
            drop(stop);
            let _panicked = thread.join();
        }
    }
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_nonblocking(true),
            Self::Unix(stream) => stream.set_nonblocking(true),
        }
    }

    /// Requests until the server has taken none for a moment.
    fn pipeline(&mut self) -> io::Result<()> {
        for _ in 0..MAX_PIPELINED {
            match self.write(HEAD) {
                Ok(written) if written == HEAD.len() => {}
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(into),
            Self::Unix(stream) => stream.read(into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}
