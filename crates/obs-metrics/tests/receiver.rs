//! A real OTLP receiver, written by others, reads our pushes: rotel of PyPI.
#![cfg(feature = "otlp-push")]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test, which says what it skips")]

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use obs_metrics::{Buckets, Push, Registry};

struct Rotel {
    process: Child,
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
        .args(["--debug-log", "metrics", "--debug-log-verbosity", "detailed"])
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
    let rotel = Rotel { process, http, lines };
    let up = (0..400).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        TcpStream::connect(("127.0.0.1", http)).is_ok()
    });
    assert!(up, "rotel does not listen");
    Some(rotel)
}

#[test]
fn understands_what_we_push() {
    let Some(rotel) = start() else { return };
    let registry = Registry::builder().label("region", "eu").build().unwrap();
    registry.counter_vec("orders_total", "Orders.", ["by"]).unwrap().with(["wörds"]).inc_by(4711);
    registry.gauge("queue_bytes", "Queue.").unwrap().set(-1.25);
    let waits = registry.histogram("wait_seconds", "Wait.", Buckets::new([0.125, 1.0])).unwrap();
    [0.0625, 0.5, 7.0].iter().for_each(|value| waits.observe(*value));
    let push = Push::new(format!("http://127.0.0.1:{}/v1/metrics", rotel.http));
    #[cfg(feature = "gzip")]
    let push = push.gzip();
    let pusher = push.resource([("service.name", "rotel-test")]).start(&registry).unwrap();
    assert!(pusher.shutdown(Duration::from_secs(20)));

    let expected = [
        "rotel-test",
        "orders_total",
        "wörds",
        "4711",
        "queue_bytes",
        "-1.25",
        "wait_seconds",
        "7.5625",
        "region",
    ];
    let mut printed = String::new();
    while !expected.iter().all(|text| printed.contains(text)) {
        let Ok(line) = rotel.lines.recv_timeout(Duration::from_secs(5)) else { break };
        printed.push_str(&line);
        printed.push('\n');
    }
    for text in expected {
        assert!(printed.contains(text), "{text} is missing:\n{printed}");
    }
}
