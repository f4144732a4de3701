//! What a probe costs, beside a constant answer of the same server: the bar is 0.9 of its rate.

#![allow(clippy::unwrap_used, reason = "a failed benchmark is a panic")]
#![allow(missing_docs, reason = "criterion's macros")]

use std::hint::black_box;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http::{HeaderValue, Request, Response, header};
use obs_health::{Check, Health, State, admin};

/// Requests in one write, so that the server is what is measured, not the round trip.
const PIPELINED: usize = 64;

fn health() -> Health {
    let health = Health::new();
    for name in ["postgres", "redis", "search", "payments", "queue"] {
        health.add(Check::new(name, || async { Ok::<(), io::Error>(()) })).unwrap();
    }
    health
}

struct Connection {
    stream: TcpStream,
    requests: Vec<u8>,
    /// The bytes of all answers together.
    answers: Vec<u8>,
}

impl Connection {
    fn new(addr: SocketAddr, path: &str) -> Self {
        let mut stream = TcpStream::connect(addr).unwrap();
        stream.set_nodelay(true).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut one = vec![0; 4096];
        let length = stream.read(&mut one).unwrap();
        assert!(one.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&one[..length]));
        let answers = vec![0; length * PIPELINED];
        Self { stream, requests: request.repeat(PIPELINED).into_bytes(), answers }
    }

    fn round(&mut self) {
        self.stream.write_all(&self.requests).unwrap();
        self.stream.read_exact(&mut self.answers).unwrap();
    }
}

fn probes(criterion: &mut Criterion) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.unwrap();
    let health = health();
    runtime.block_on(async {
        health.start();
        while health.state() != State::Ready {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let head = Request::get("/readyz").body(()).unwrap().into_parts().0;
    let body = health.probe(&head).unwrap().into_body();
    // As long as the probe's answer, with the same headers.
    let constant = move |_| {
        let mut response = Response::new(body.clone());
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        async { response }
    };
    let server = admin::Builder::new(health.clone())
        .addr(([127, 0, 0, 1], 0).into())
        .open("/constant", constant)
        .start()
        .unwrap();

    let mut group = criterion.benchmark_group("probe");
    group.bench_function("readyz alone", |bencher| {
        bencher.iter(|| -> Bytes { health.probe(black_box(&head)).unwrap().into_body() });
    });
    group.throughput(Throughput::Elements(PIPELINED as u64));
    for path in ["/constant", "/readyz", "/healthz"] {
        let mut connection = Connection::new(server.addr(), path);
        group.bench_function(format!("GET {path}"), |bencher| {
            bencher.iter(|| connection.round());
        });
    }
    group.finish();
}

criterion_group!(benches, probes);
criterion_main!(benches);
