//! A console on free ports, a client that can say anything, and a service's admin server.

#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use obs_console::{Attributes, Console, ConsoleBuilder, Span, SpanKind, SpanStatus, Token};
use obs_context::{SpanId, TraceId};
use serde_json::Value;

pub const TOKEN: &str = "the-token";

pub fn builder() -> ConsoleBuilder {
    let free: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    Console::builder().otlp_grpc(free).otlp_http(free).api(free).token(Token::new(TOKEN).unwrap())
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }
}

/// Sends bytes as they are and reads to the end.
pub fn raw(address: SocketAddr, sent: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // The other end may refuse before it has read everything: its answer is what counts.
    let _ = stream.write_all(sent);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(answer.len());
    let body = answer.get(end + 4..).unwrap_or_default().to_vec();
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.get(9..12).and_then(|code| code.parse().ok()).unwrap_or(0);
    Answer { status, head, body }
}

pub fn post(address: SocketAddr, path: &str, headers: &str, body: &[u8]) -> Answer {
    let mut sent = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    )
    .into_bytes();
    sent.extend_from_slice(body);
    raw(address, &sent)
}

pub fn get(address: SocketAddr, path: &str) -> Answer {
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {TOKEN}\r\n\r\n"
    );
    raw(address, head.as_bytes())
}

pub fn authorized_post(address: SocketAddr, path: &str, body: &[u8]) -> Answer {
    post(address, path, &format!("authorization: Bearer {TOKEN}\r\n"), body)
}

/// A span that needs no more than its ids.
pub fn span(trace_id: u128, span_id: u64) -> Span {
    Span {
        trace_id: TraceId::new(trace_id),
        span_id: SpanId::new(span_id),
        parent_span_id: None,
        service: "orders".into(),
        instance: None,
        name: "work".into(),
        kind: SpanKind::Internal,
        start_unix_nanos: 1_000_000_000,
        duration_nanos: 1_000,
        status: SpanStatus::Unset,
        status_message: "".into(),
        attributes: Attributes::default(),
        events: Vec::new(),
        links: Vec::new(),
    }
}

/// An admin server that answers what it is told to, and remembers the heads that it was sent.
#[derive(Clone)]
pub struct Admin {
    pub address: SocketAddr,
    pub metrics: Arc<Mutex<String>>,
    pub ready: Arc<Mutex<(u16, String)>>,
    pub heads: Arc<Mutex<Vec<String>>>,
}

impl Admin {
    pub fn start(metrics: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let admin = Self {
            address: listener.local_addr().unwrap(),
            metrics: Arc::new(Mutex::new(metrics.into())),
            ready: Arc::new(Mutex::new((200, r#"{"ready":true,"checks":{"db":"ok"}}"#.into()))),
            heads: Arc::default(),
        };
        let this = admin.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let this = this.clone();
                std::thread::spawn(move || this.answer(stream.unwrap()));
            }
        });
        admin
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn answer(&self, mut stream: TcpStream) {
        let mut head = String::new();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        self.heads.lock().unwrap().push(head);
        let (status, body) = match &*path {
            "/metrics" => (200, self.metrics.lock().unwrap().clone()),
            "/readyz" => self.ready.lock().unwrap().clone(),
            "/healthz" => (200, String::from(r#"{"status":"ok"}"#)),
            _ => (404, String::new()),
        };
        let _ = write!(
            stream,
            "HTTP/1.1 {status} .\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
    }
}
