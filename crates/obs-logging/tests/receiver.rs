//! A real OTLP receiver, written by others: rotel of PyPI.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]
#![allow(clippy::print_stderr, reason = "a test says what it skips")]
#![cfg(feature = "otlp")]

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use obs_logging::{Builder, Otlp, Output};
use tracing_subscriber::layer::SubscriberExt;

struct Rotel {
    process: Child,
    port: u16,
    lines: Receiver<String>,
}

impl Drop for Rotel {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn agent() -> Option<PathBuf> {
    let code =
        "import rotel, os; print(os.path.join(os.path.dirname(rotel.__file__), 'rotel-agent'))";
    let found = Command::new("python3").args(["-c", code]).output().ok()?;
    let path = PathBuf::from(String::from_utf8(found.stdout).ok()?.trim());
    path.is_file().then_some(path)
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn start() -> Option<Rotel> {
    let Some(agent) = agent() else {
        assert_ne!(std::env::var("OBS_REQUIRE_PEERS").as_deref(), Ok("1"), "rotel is missing");
        eprintln!("skipped: rotel is not installed (pip install rotel)");
        return None;
    };
    let (grpc, port) = (free_port(), free_port());
    let mut process = Command::new(agent)
        .args(["start", "--exporter", "blackhole"])
        .args(["--debug-log", "logs", "--debug-log-verbosity", "detailed"])
        .args(["--otlp-grpc-endpoint", &format!("127.0.0.1:{grpc}")])
        .args(["--otlp-http-endpoint", &format!("127.0.0.1:{port}")])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = BufReader::new(process.stdout.take().unwrap());
    let (send, lines) = channel();
    std::thread::spawn(move || {
        output.lines().map_while(Result::ok).all(|line| send.send(line).is_ok());
    });
    let rotel = Rotel { process, port, lines };
    let is_up = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    assert!(is_up, "rotel does not listen");
    Some(rotel)
}

#[test]
fn understands_the_records_that_we_send() {
    let Some(rotel) = start() else { return };
    for gzip in [false, true] {
        let otlp = Otlp::new(format!("http://127.0.0.1:{}", rotel.port))
            .resource("service.name", "rotel-test")
            .gzip(gzip);
        let (layer, logging) = Builder::new().output(Output::otlp(otlp.clone())).build().unwrap();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let _span = tracing::info_span!("request", request_id = "r-4711").entered();
            tracing::warn!(rows = 42, share = 0.25, paid = true, name = "wörds", "said {gzip}");
        });
        assert!(logging.shutdown(Duration::from_secs(10)).complete);
        let counts = logging.counts();
        assert_eq!((counts.written, counts.dropped, otlp.rejected()), (1, 0, 0));

        let expected = ["rotel-test", "r-4711", "rows", "42", "0.25", "wörds"];
        let expected = [&expected[..], &[if gzip { "said true" } else { "said false" }]].concat();
        let mut printed = String::new();
        while let Ok(line) = rotel.lines.recv_timeout(Duration::from_secs(10)) {
            printed.push_str(&line);
            printed.push('\n');
            if expected.iter().all(|part| printed.contains(part)) {
                break;
            }
        }
        for part in expected {
            assert!(printed.contains(part), "{part} is missing in {printed}");
        }
    }
}
