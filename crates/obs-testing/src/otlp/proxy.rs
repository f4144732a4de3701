//! A proxy that forwards everything to one address.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::{TcpStream, lock, on_runtime};

/// Listens on a free port of the loopback until it is dropped. Whatever host a request or a tunnel asks for, it is
/// led to the one given.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Leads to this address.
    pub fn start(to: SocketAddr) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let (heads, stop) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<Notify>::default());
        let (seen, stopped) = (Arc::clone(&heads), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            on_runtime(async {
                let listener = TcpListener::from_std(listener).unwrap();
                let accept = async {
                    while let Ok((stream, _)) = listener.accept().await {
                        tokio::spawn(forward(stream, to, Arc::clone(&seen)));
                    }
                };
                tokio::select! {
                    () = accept => {}
                    () = stopped.notified() => {}
                }
            });
        });
        Self { addr, heads, stop, thread: Some(thread) }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The first request's head of every connection.
    pub fn heads(&self) -> Vec<String> {
        lock(&self.heads).clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

async fn forward(mut client: TcpStream, to: SocketAddr, heads: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match client.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let is_tunnel = text.starts_with("CONNECT ");
    lock(&heads).push(text);
    let Ok(mut server) = TcpStream::connect(to).await else { return };
    let started = match is_tunnel {
        true => client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await,
        false => server.write_all(&head).await,
    };
    if started.is_ok() {
        let _ = copy_bidirectional(&mut client, &mut server).await;
    }
}
