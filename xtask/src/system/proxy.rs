//! A TCP proxy that can be cut, or that leaves one header of every request out.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{During, Failure};

/// Forwards connections to an address, until it is dropped.
pub(crate) struct Proxy {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    target: String,
    without_header: Option<&'static str>,
    cut: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// A proxy for this `host:port`; of every HTTP/1 request it leaves `without_header` out.
    pub(crate) fn start(
        target: &str,
        without_header: Option<&'static str>,
    ) -> Result<Self, Failure> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).during("the proxy cannot listen")?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            target: target.to_owned(),
            without_header,
            cut: AtomicBool::new(false),
            open: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                accepting.forward(client);
            }
        });
        Ok(Self { addr, shared })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Breaks every connection off and refuses new ones, as a server does that is stopped.
    pub(crate) fn cut(&self) {
        self.shared.cut.store(true, Ordering::SeqCst);
        for stream in self.shared.open().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Forwards again.
    pub(crate) fn mend(&self) {
        self.shared.cut.store(false, Ordering::SeqCst);
    }
}

impl Shared {
    fn forward(&self, client: TcpStream) {
        if self.cut.load(Ordering::SeqCst) {
            return;
        }
        let Ok(server) = TcpStream::connect(&self.target) else { return };
        let (Ok(client_read), Ok(server_read)) = (client.try_clone(), server.try_clone()) else {
            return;
        };
        self.open().extend([client.try_clone(), server.try_clone()].into_iter().flatten());
        let without = self.without_header;
        std::thread::spawn(move || match without {
            Some(header) => copy_without(client_read, server, header),
            None => copy(client_read, server),
        });
        std::thread::spawn(move || copy(server_read, client));
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Vec<TcpStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let mut chunk = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut chunk) {
        if to.write_all(&chunk[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// Line by line: enough for the demo's requests, which have no bodies.
fn copy_without(from: TcpStream, mut to: TcpStream, header: &str) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while let Ok(1..) = from.read_until(b'\n', &mut line) {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        if !name.eq_ignore_ascii_case(header.as_bytes()) && to.write_all(&line).is_err() {
            break;
        }
        line.clear();
    }
    let _ = to.shutdown(Shutdown::Write);
}
