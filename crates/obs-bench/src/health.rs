//! Health: a probe beside a constant answer of the same server, as long and with the same headers.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use http::{HeaderValue, Request, Response, header};
use obs_health::{Check, Health, State, admin};
use rustix::time::{ClockId, clock_gettime};

use crate::measure::cpu_time;
use crate::row::Row;

/// Requests in one write, so that the server is what is measured, not the round trip.
const PIPELINED: usize = 64;
const ROUNDS: usize = 40;
const SLICES: usize = 80;

pub(crate) fn rows() -> Vec<Row> {
    vec![Row {
        pillar: "health",
        work: "GET /readyz, five checks",
        peer: "constant response, same server",
        // 0.9 of its requests a second.
        bar: 1.0 / 0.9,
        ours: || server_time("/readyz"),
        theirs: || server_time("/constant"),
    }]
}

/// Nanoseconds of CPU time of the server for one request: the process's without the client's thread.
fn server_time(path: &str) -> f64 {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build().expect("a runtime");
    let health = Health::new();
    for name in ["postgres", "redis", "search", "payments", "queue"] {
        let check = Check::new(name, || async { Ok::<(), io::Error>(()) });
        health.add(check).expect("five names");
    }
    runtime.block_on(async {
        health.start();
        while health.state() != State::Ready {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let server = serve(health);
    let mut client = Client::new(server.addr(), path).expect("the server listens");
    let slices = (0..SLICES).map(|_| {
        let begun = process_time().saturating_sub(cpu_time());
        for _ in 0..ROUNDS {
            client.round().expect("an answer to each request");
        }
        let took = process_time().saturating_sub(cpu_time()).saturating_sub(begun);
        took.as_nanos() as f64 / (ROUNDS * PIPELINED) as f64
    });
    slices.fold(f64::INFINITY, f64::min)
}

fn serve(health: Health) -> admin::AdminServer {
    let head = Request::get("/readyz").body(()).expect("a request").into_parts().0;
    let body = health.probe(&head).expect("a probe's path").into_body();
    let constant = move |_| {
        let mut response = Response::new(body.clone());
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        async { response }
    };
    let builder = admin::Builder::new(health).addr(([127, 0, 0, 1], 0).into());
    builder.public_route("/constant", constant).start().expect("a free port")
}

struct Client {
    stream: TcpStream,
    requests: Vec<u8>,
    /// The bytes of all answers together.
    answers: Vec<u8>,
}

impl Client {
    fn new(addr: SocketAddr, path: &str) -> io::Result<Self> {
        let mut stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut one = vec![0; 4096];
        let length = stream.read(&mut one)?;
        let requests = request.repeat(PIPELINED).into_bytes();
        Ok(Self { stream, requests, answers: vec![0; length * PIPELINED] })
    }

    fn round(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.requests)?;
        self.stream.read_exact(&mut self.answers)
    }
}

fn process_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}
