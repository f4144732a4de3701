//! What several tests need: the log, the metrics, one request.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "no test needs all of it")]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use obs_health::Health;

/// Everything that this process logs.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    pub fn line_with(&self, part: &str) -> String {
        self.text().lines().find(|line| line.contains(part)).unwrap_or_default().to_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub fn captured_log() -> Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    let log = LOG.get_or_init(|| {
        let log = Log::default();
        let written = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || written.clone())
            .finish();
        let _ = tracing::subscriber::set_global_default(subscriber);
        log
    });
    log.clone()
}

/// The sum of all samples of this metric.
pub fn total(health: &Health, name: &str) -> f64 {
    let mut total = 0.0;
    health.source().collect(&mut |sample| {
        if sample.name == name {
            total += sample.value;
        }
    });
    total
}

pub fn get(addr: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

/// Until so many connections of the application's server were closed for this reason.
pub async fn until_closed(health: &Health, reason: &str, count: f64) {
    loop {
        let mut closed = 0.0;
        health.source().collect(&mut |sample| {
            if sample.name == "http_server_connections_closed_total"
                && sample.labels == [("reason", reason)]
            {
                closed = sample.value;
            }
        });
        if closed >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
