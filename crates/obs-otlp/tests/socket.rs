//! A collector behind a Unix-domain socket.
#![cfg(all(unix, feature = "export"))]
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use obs_otlp::{Blocking, Defaults, Exporters, Options, Outcome, Protocol, Resolver, Signal};

const DEFAULTS: Defaults<'static> =
    Defaults { timeout_variables: &[], retry_variables: &[], retry_for: Duration::ZERO };

fn delivered(path: &std::path::Path) -> Outcome {
    let endpoint = Some(format!("unix:{}", path.display()));
    let protocol = Some(Protocol::HttpProtobuf);
    let options = Options { endpoint, protocol, ..Options::default() };
    let mut resolver = Resolver::new(None);
    let exporter = options.exporter(Signal::Logs, Exporters::DEFAULT, DEFAULTS, &mut resolver);
    let (_closer, closing) = obs_otlp::closing();
    let mut blocking = Blocking::new(exporter.unwrap().unwrap(), closing).unwrap();
    blocking.deliver(b"records".to_vec(), 0, &mut |_| {})
}

#[test]
fn request_to_unix_endpoint_uses_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("collector.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        let mut stream = BufReader::new(listener.accept().unwrap().0);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).unwrap() > 0 {}
        let mut body = [0; 7];
        stream.read_exact(&mut body).unwrap();
        stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
        (head, body)
    });
    let outcome = delivered(&path);
    assert_eq!(outcome, Outcome::Delivered { rejected: 0, message: String::new() });
    let (head, body) = server.join().unwrap();
    assert!(head.starts_with("POST /v1/logs "), "{head}");
    assert_eq!(&body, b"records");
}

#[test]
fn missing_socket_is_named_in_error() {
    let outcome = delivered(std::path::Path::new("/nowhere/collector.sock"));
    let Outcome::Lost { reason } = outcome else { return assert_eq!(format!("{outcome:?}"), "") };
    assert!(reason.contains("/nowhere/collector.sock"), "{reason}");
}

#[test]
fn delivery_on_runtime_thread_or_past_deadline_is_lost() {
    let options = Options { endpoint: Some("http://127.0.0.1:1".to_owned()), ..Options::default() };
    let mut resolver = Resolver::new(None);
    let exporter = options.exporter(Signal::Logs, Exporters::DEFAULT, DEFAULTS, &mut resolver);
    let (closer, closing) = obs_otlp::closing();
    let mut blocking = Blocking::new(exporter.unwrap().unwrap(), closing).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let lost =
        |outcome| matches!(outcome, Outcome::Lost { reason } if reason.contains("after the"));
    assert!(lost(runtime.block_on(async { blocking.deliver(Vec::new(), 0, &mut |_| {}) })));
    closer.close_by(Instant::now());
    assert!(lost(blocking.deliver(Vec::new(), 0, &mut |_| {})));
}
