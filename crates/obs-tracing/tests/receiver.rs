//! A real OTLP receiver, written by others: rotel of PyPI.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]
#![allow(clippy::print_stderr, reason = "it is a test, which says what it skips")]
#![cfg(feature = "otlp")]

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use obs_tracing::{Builder, Compression, Delivery, Protocol, Status};
use tracing::{info_span, subscriber::with_default};
use tracing_subscriber::prelude::*;

struct Rotel {
    process: Child,
    grpc: u16,
    http: u16,
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
    let (grpc, http) = (free_port(), free_port());
    let mut process = Command::new(agent)
        .args(["start", "--exporter", "blackhole"])
        .args(["--debug-log", "traces", "--debug-log-verbosity", "detailed"])
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
    let rotel = Rotel { process, grpc, http, lines };
    for port in [grpc, http] {
        let up = (0..200).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        assert!(up, "rotel does not listen");
    }
    Some(rotel)
}

/// What the receiver printed of one trace that was sent with this protocol.
fn received(rotel: &Rotel, protocol: Protocol, compression: Compression) -> String {
    let port = if protocol == Protocol::Grpc { rotel.grpc } else { rotel.http };
    let (layer, traces) = Builder::new("rotel-test")
        .endpoint(format!("http://127.0.0.1:{port}"))
        .protocol(protocol)
        .compression(compression)
        .build()
        .unwrap();
    with_default(tracing_subscriber::registry().with(layer), || {
        info_span!("outer", order.id = 4711, share = 0.25, paid = true).in_scope(|| {
            obs_tracing::set_status(Status::Error, "declined");
            obs_tracing::add_event("retried", &[("attempt", 2.into())]);
            info_span!("inner", text = "wörds").in_scope(|| {});
        });
    });
    let delivery = traces.shutdown(Duration::from_secs(5));
    assert_eq!(delivery, Delivery { delivered: 2, lost: 0, complete: true });
    let mut printed = String::new();
    while let Ok(line) = rotel.lines.recv_timeout(Duration::from_secs(3)) {
        printed.push_str(&line);
        printed.push('\n');
        if printed.contains("inner") && printed.contains("outer") && printed.contains("retried") {
            break;
        }
    }
    printed
}

#[test]
fn understands_what_we_send() {
    let Some(rotel) = start() else { return };
    let mut ways = vec![Compression::None];
    #[cfg(feature = "gzip")]
    ways.push(Compression::Gzip);
    let protocols = [Protocol::Grpc, Protocol::HttpProtobuf, Protocol::HttpJson];
    for (protocol, compression) in
        protocols.into_iter().flat_map(|protocol| ways.iter().map(move |way| (protocol, *way)))
    {
        let printed = received(&rotel, protocol, compression);
        for expected in [
            "rotel-test",
            "outer",
            "inner",
            "order.id",
            "4711",
            "0.25",
            "wörds",
            "declined",
            "retried",
        ] {
            assert!(
                printed.contains(expected),
                "{expected} is missing over {protocol:?}, {compression:?}:\n{printed}"
            );
        }
    }
}
