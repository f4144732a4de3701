//! The clients: as fast as answers come, or at a fixed rate.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use obs_bench_e2e::Failure;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

const CONNECTIONS: usize = 16;
const REQUEST: &[u8] = b"GET /orders/7 HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// From the moment a request was due to its answer, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latencies {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Latencies {
    pub(crate) fn least(self, other: Self) -> Self {
        Self { p50: self.p50.min(other.p50), p99: self.p99.min(other.p99) }
    }
}

/// So many requests, each connection sending the next when it has its answer. Answers the time it took.
pub(crate) async fn closed(addr: SocketAddr, requests: usize) -> Result<Duration, Failure> {
    let begun = Instant::now();
    let mut clients = JoinSet::new();
    for number in 0..CONNECTIONS {
        let share = requests / CONNECTIONS + usize::from(number < requests % CONNECTIONS);
        clients.spawn(async move {
            let mut client = Client::connect(addr).await?;
            for _ in 0..share {
                client.exchange().await?;
            }
            io::Result::Ok(())
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended??;
    }
    Ok(begun.elapsed())
}

/// So many requests of one client, one after another.
pub(crate) async fn single(addr: SocketAddr, requests: usize) -> Result<(), Failure> {
    let mut client = Client::connect(addr).await?;
    for _ in 0..requests {
        client.exchange().await?;
    }
    Ok(())
}

/// Requests that are due at fixed times whether earlier ones are answered or not.
pub(crate) async fn fixed_rate(
    addr: SocketAddr,
    a_second: usize,
    lasting: Duration,
) -> Result<Latencies, Failure> {
    let interval = Duration::from_secs(1) * CONNECTIONS as u32 / a_second.max(1) as u32;
    let begin = Instant::now() + Duration::from_millis(100);
    let mut clients = JoinSet::new();
    for number in 0..CONNECTIONS as u32 {
        clients.spawn(async move {
            let mut client = Client::connect(addr).await?;
            let mut due = begin + interval * number / CONNECTIONS as u32;
            let mut waited = Vec::new();
            while due < begin + lasting {
                sleep_until(due).await;
                client.exchange().await?;
                waited.push(due.elapsed());
                due += interval;
            }
            io::Result::Ok(waited)
        });
    }
    let mut waited = Vec::new();
    while let Some(ended) = clients.join_next().await {
        waited.extend(ended??);
    }
    waited.sort();
    let at = |share: f64| {
        let place = (waited.len() as f64 * share) as usize;
        waited.get(place).map_or(f64::NAN, |wait| wait.as_secs_f64() * 1e3)
    };
    Ok(Latencies { p50: at(0.5), p99: at(0.99) })
}

struct Client {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Client {
    async fn connect(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, answer: Vec::with_capacity(1024) })
    }

    async fn exchange(&mut self) -> io::Result<()> {
        self.stream.write_all(REQUEST).await?;
        self.answer.clear();
        while !is_whole(&self.answer) {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        match self.answer.starts_with(b"HTTP/1.1 200") {
            true => Ok(()),
            false => Err(io::Error::other(String::from_utf8_lossy(&self.answer).into_owned())),
        }
    }
}

/// The service answers small JSON objects that end where their brace does.
fn is_whole(answer: &[u8]) -> bool {
    let body = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    body.is_some_and(|head| answer.len() > head + 4 && answer.ends_with(b"}"))
}
