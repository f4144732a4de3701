//! The admin server: who may read what.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use obs_health::{Health, admin};
use obs_testing::peers::{Client, Clients};

fn builder() -> admin::Builder {
    let hello = |_: Request<Bytes>| async { Response::new(Bytes::from_static(b"hello")) };
    admin::Builder::new(Health::new())
        .addr("127.0.0.1:0".parse().unwrap())
        .public_route("/metrics", hello)
        .protected_route("/debug/spans", hello)
}

fn send(addr: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // It may refuse before it has read everything: its answer is what counts.
    let _ = stream.write_all(text.as_bytes());
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

fn get(addr: SocketAddr, path: &str, headers: &str) -> String {
    send(addr, &format!("GET {path} HTTP/1.1\r\nconnection: close\r\n{headers}\r\n"))
}

#[test]
fn loopback_serves_probes_metrics_and_debug() {
    let server = builder().start().unwrap();
    for path in ["/healthz", "/readyz", "/startupz", "/metrics", "/debug/spans", "/"] {
        let answer = get(server.addr(), path, "host: localhost\r\n");
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
    let missing = get(server.addr(), "/debug/env", "host: localhost\r\n");
    assert!(missing.starts_with("HTTP/1.1 404"), "{missing}");
}

#[test]
fn foreign_host_on_loopback_answers_403() {
    let server = builder().start().unwrap();
    for host in ["evil.example", "127.0.0.1.evil.example:80", "[::2]:1", "10.0.0.1"] {
        let answer = get(server.addr(), "/healthz", &format!("host: {host}\r\n"));
        assert!(answer.starts_with("HTTP/1.1 403"), "{host}: {answer}");
    }
    for host in ["127.0.0.1:9464", "[::1]:9464", "LOCALHOST", "127.9.9.9"] {
        let answer = get(server.addr(), "/healthz", &format!("host: {host}\r\n"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{host}: {answer}");
    }
}

#[test]
fn debug_off_loopback_without_token_answers_404() {
    let open = builder().addr("0.0.0.0:0".parse().unwrap()).start().unwrap();
    let addr = SocketAddr::from(([127, 0, 0, 1], open.addr().port()));
    assert!(get(addr, "/metrics", "host: pod\r\n").starts_with("HTTP/1.1 200"));
    assert!(get(addr, "/debug/spans", "host: pod\r\n").starts_with("HTTP/1.1 404"));
    assert!(!get(addr, "/", "host: pod\r\n").contains("/debug"));
}

#[test]
fn protected_route_needs_right_token() {
    let server = builder().token("s3cret").start().unwrap();
    let debug = |headers: &str| {
        get(server.addr(), "/debug/spans", &format!("host: localhost\r\n{headers}"))
    };
    assert!(debug("").starts_with("HTTP/1.1 401"));
    assert!(debug("authorization: Bearer s3creT\r\n").starts_with("HTTP/1.1 401"));
    assert!(debug("authorization: Basic s3cret\r\n").starts_with("HTTP/1.1 401"));
    assert!(debug("authorization: bearer s3cret\r\n").starts_with("HTTP/1.1 200"));
}

#[test]
fn large_body_answers_413_before_handler() {
    let server = builder().start().unwrap();
    let body = "x".repeat(70_000);
    let request = format!(
        "PUT /debug/spans HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = send(server.addr(), &request);
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[test]
fn port_in_use_is_error_with_remedy() {
    let first = builder().start().unwrap();
    let error = builder().addr(first.addr()).start().unwrap_err();
    assert!(error.is_bind());
    let text = error.to_string();
    assert!(
        text.contains(&first.addr().to_string()) && text.contains("choose another port"),
        "{text}"
    );
}

#[tokio::test]
async fn port_in_use_within_runtime_is_error() {
    let first = builder().start().unwrap();
    assert!(builder().addr(first.addr()).start().unwrap_err().is_bind());
}

#[test]
fn stop_closes_listener() {
    let server = builder().start().unwrap();
    let addr = server.addr();
    server.stop(Duration::from_secs(60));
    assert!(TcpStream::connect(addr).is_err());
}

fn get_unix(path: &std::path::Path, uri: &str) -> String {
    let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
    let request = format!("GET {uri} HTTP/1.1\r\nhost: any\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn socket_serves_own_user_and_is_removed_on_stop() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let server = builder().unix(&path).start().unwrap();
    assert!(server.is_unix() && server.addr().port() == 0);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    for uri in ["/healthz", "/metrics", "/debug/spans"] {
        let answer = get_unix(&path, uri);
        assert!(answer.starts_with("HTTP/1.1 200"), "{uri}: {answer}");
    }
    let second = builder().unix(&path).start().unwrap_err();
    assert!(second.is_bind() && second.to_string().contains("another process"), "{second}");
    server.stop(Duration::from_secs(60));
    assert!(!path.exists());
}

#[test]
fn stale_socket_is_replaced_but_other_file_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let stale = folder.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    assert!(stale.exists());
    let server = builder().unix(&stale).start().unwrap();
    assert!(get_unix(&stale, "/healthz").starts_with("HTTP/1.1 200"));
    server.stop(Duration::from_secs(60));

    let file = folder.path().join("precious");
    std::fs::write(&file, "data").unwrap();
    let error = builder().unix(&file).start().unwrap_err().to_string();
    assert!(error.contains("another file is there"), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "data");
}

#[test]
fn stop_with_every_connection_stuck_returns() {
    let server = builder().start().unwrap();
    let stuck = Clients::connect(server.addr(), Client::NeverReads, 80).unwrap();
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        server.stop(Duration::from_millis(100));
        done.send(()).unwrap();
    });
    assert_eq!(is_done.recv_timeout(Duration::from_secs(60)), Ok(()));
    drop(stuck);
}

#[test]
fn stop_does_not_wait_for_blocking_handler() {
    let (entered, has_entered) = std::sync::mpsc::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let server = builder()
        .public_route("/blocks", move |_| {
            entered.send(()).unwrap();
            let _ = released.lock().unwrap().recv();
            async { http::Response::new(bytes::Bytes::new()) }
        })
        .start()
        .unwrap();
    let mut stream = TcpStream::connect(server.addr()).unwrap();
    stream.write_all(b"GET /blocks HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    has_entered.recv().unwrap();
    server.stop(Duration::from_millis(10)); // comes back while the handler is held
    drop(release);
}
