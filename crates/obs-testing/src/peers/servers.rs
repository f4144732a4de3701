//! Servers that get stuck at a point of HTTP.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::BYTE_INTERVAL;

const POLL_INTERVAL: Duration = Duration::from_millis(5);
const HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n";

/// Where a server gets stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Server {
    /// Listens and never accepts: the kernel completes the connection.
    NeverAccepts,
    /// Accepts and sends nothing; reads nothing.
    Silent,
    /// Sends half a response head.
    HalfHead,
    /// Sends a response head, a byte each [`BYTE_INTERVAL`], that never ends.
    SendsHeadSlowly,
    /// Promises a body of 100,000 bytes and sends ten.
    HalfBody,
    /// The same, and sends a byte each [`BYTE_INTERVAL`].
    SendsBodySlowly,
    /// Resets the connection once a byte of the request has come.
    Resets,
}

impl Server {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::NeverAccepts,
        Self::Silent,
        Self::HalfHead,
        Self::SendsHeadSlowly,
        Self::HalfBody,
        Self::SendsBodySlowly,
        Self::Resets,
    ];

    fn begin(self, stream: &mut TcpStream) -> io::Result<()> {
        match self {
            Self::NeverAccepts | Self::Silent | Self::Resets => Ok(()),
            Self::HalfHead => stream.write_all(&HEAD[..HEAD.len() / 2]),
            Self::SendsHeadSlowly => stream.write_all(b"HTTP/1.1 200 OK\r\nx: "),
            Self::HalfBody => stream.write_all(&[HEAD, b"{\"a\": 1234"].concat()),
            Self::SendsBodySlowly => stream.write_all(HEAD),
        }
    }
}

impl Server {
    fn is_slow(self) -> bool {
        matches!(self, Self::SendsHeadSlowly | Self::SendsBodySlowly)
    }
}

/// A listener of the loopback that is stuck, until this is dropped.
#[derive(Debug)]
pub struct Servers {
    addr: SocketAddr,
    accepted: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Servers {
    /// Listens on a free port.
    ///
    /// # Errors
    ///
    /// When no port can be had.
    pub fn start(server: Server) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        let (accepted, stop) = (Arc::default(), Arc::default());
        let (counted, stopped) = (Arc::clone(&accepted), Arc::clone(&stop));
        let thread = std::thread::spawn(move || serve(server, &listener, &counted, &stopped));
        Ok(Self { addr, accepted, stop, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The same as `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// How many connections it has accepted.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Acquire)
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

fn serve(server: Server, listener: &TcpListener, accepted: &AtomicUsize, stop: &AtomicBool) {
    let mut streams: Vec<TcpStream> = Vec::new();
    let mut sent = Instant::now();
    while !stop.load(Ordering::Acquire) {
        while server != Server::NeverAccepts
            && let Ok((mut stream, _)) = listener.accept()
        {
            accepted.fetch_add(1, Ordering::AcqRel);
            if stream.set_nonblocking(true).is_ok() && server.begin(&mut stream).is_ok() {
                streams.push(stream);
            }
        }
        if server == Server::Resets {
            // A socket that is closed while it holds unread bytes answers with a reset.
            streams.retain(|stream| !matches!(stream.peek(&mut [0]), Ok(1..)));
        }
        if server.is_slow() && sent.elapsed() >= BYTE_INTERVAL {
            sent = Instant::now();
            streams.retain_mut(|stream| stream.write_all(b" ").is_ok());
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}
