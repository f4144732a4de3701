//! A receiver of OTLP/JSON over HTTP that keeps what it is sent.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::error::{During, Failure};

/// Takes everything, and ends with the process.
pub(crate) struct Collector {
    addr: SocketAddr,
    requests: Requests,
}

/// The requests by their path.
type Requests = Arc<Mutex<Vec<(String, Value)>>>;

impl Collector {
    pub(crate) fn start() -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").during("the collector cannot listen")?;
        let (addr, requests) = (listener.local_addr()?, Requests::default());
        let kept = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || serve(stream, &kept));
            }
        });
        Ok(Self { addr, requests })
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The requests to this path so far; one that is no JSON is `null`.
    pub(crate) fn requests(&self, path: &str) -> Vec<Value> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.iter().filter(|(to, _)| to == path).map(|(_, body)| body.clone()).collect()
    }
}

fn serve(stream: TcpStream, kept: &Requests) {
    let mut stream = BufReader::new(stream);
    while let Some((path, body)) = read(&mut stream) {
        let body = serde_json::from_slice(&body).unwrap_or_default();
        kept.lock().unwrap_or_else(PoisonError::into_inner).push((path, body));
        let answer =
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
        if stream.get_mut().write_all(answer).is_err() {
            return;
        }
    }
}

fn read(stream: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let path = head.split(' ').nth(1)?.to_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    })?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((path, body))
}
