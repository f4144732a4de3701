//! An OTLP receiver written by others: rotel, of PyPI.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::{free_port, skipped};

/// What rotel is to print of what it receives.
#[derive(Clone, Copy, Debug)]
pub enum Signal {
    /// Log records.
    Logs,
    /// Metrics.
    Metrics,
    /// Spans.
    Traces,
}

/// A running rotel, which prints what it receives; ended with this value.
#[derive(Debug)]
pub struct Rotel {
    process: Child,
    grpc: u16,
    http: u16,
    lines: Receiver<String>,
}

impl Rotel {
    /// `None` where it is not installed and may be missing, see [`skipped`].
    pub fn start(signal: Signal) -> Option<Self> {
        let Some(program) = program() else {
            skipped("rotel is not installed (pip install rotel)");
            return None;
        };
        let (grpc, http) = (free_port(), free_port());
        let mut process = Command::new(program)
            .args(["start", "--exporter", "blackhole"])
            .args(["--debug-log", signal.name(), "--debug-log-verbosity", "detailed"])
            .args(["--otlp-grpc-endpoint", &format!("127.0.0.1:{grpc}")])
            .args(["--otlp-http-endpoint", &format!("127.0.0.1:{http}")])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).all(|line| send.send(line).is_ok());
        });
        let rotel = Self { process, grpc, http, lines };
        for port in [grpc, http] {
            let is_up = (0..1_200).any(|_| {
                std::thread::sleep(Duration::from_millis(50));
                TcpStream::connect(("127.0.0.1", port)).is_ok()
            });
            assert!(is_up, "rotel does not listen");
        }
        Some(rotel)
    }

    /// Where it takes OTLP over gRPC.
    pub fn grpc(&self) -> String {
        format!("http://127.0.0.1:{}", self.grpc)
    }

    /// Where it takes OTLP over HTTP.
    pub fn http(&self) -> String {
        format!("http://127.0.0.1:{}", self.http)
    }

    /// Waits until it has printed all these parts since the last call.
    ///
    /// # Panics
    ///
    /// When nothing more comes and a part is missing.
    #[track_caller]
    pub fn expect(&self, parts: &[&str]) {
        let mut printed = String::new();
        while let Some(missing) = parts.iter().find(|part| !printed.contains(**part)) {
            match self.lines.recv_timeout(Duration::from_secs(60)) {
                Ok(line) => printed = printed + &line + "\n",
                Err(_) => panic!("{missing} is missing in {printed}"),
            }
        }
    }
}

impl Drop for Rotel {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Logs => "logs",
            Self::Metrics => "metrics",
            Self::Traces => "traces",
        }
    }
}

/// The wheel puts it beside its Python package.
fn program() -> Option<PathBuf> {
    let code =
        "import rotel, os; print(os.path.join(os.path.dirname(rotel.__file__), 'rotel-agent'))";
    let found = Command::new("python3").args(["-c", code]).output().ok()?;
    let path = PathBuf::from(String::from_utf8(found.stdout).ok()?.trim());
    path.is_file().then_some(path)
}
