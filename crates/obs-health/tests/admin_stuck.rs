//! Probes are answered whatever else holds the admin port.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

mod support;

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use obs_health::{Health, admin};
use obs_testing::peers::{Client, Clients};
use support::{get, total};

/// Only a test that fails takes so long.
const LONG: Duration = Duration::from_secs(60);

fn builder(health: &Health) -> admin::Builder {
    admin::Builder::new(health.clone()).addr("127.0.0.1:0".parse().unwrap())
}

fn assert_probes_answer(addr: SocketAddr) {
    for path in ["/healthz", "/readyz", "/startupz"] {
        let answer = get(addr, path);
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
}

/// What several handlers wait for.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.changed.notify_all();
    }

    fn wait(&self) {
        let closed = self.open.lock().unwrap();
        drop(self.changed.wait_while(closed, |open| !*open).unwrap());
    }
}

#[test]
fn probes_are_answered_while_handlers_block() {
    static GATE: Gate = Gate { open: Mutex::new(false), changed: Condvar::new() };
    let health = Health::new();
    let server = builder(&health)
        .public_route("/metrics", |_| {
            GATE.wait();
            async { Response::new(Bytes::from_static(b"late")) }
        })
        .public_route("/debug/later", |_| async {
            GATE.wait();
            Response::new(Bytes::from_static(b"late"))
        })
        .start()
        .unwrap();
    let addr = server.addr();
    let asking: Vec<_> = (0..64)
        .map(|at| {
            let path = ["/metrics", "/debug/later"][at % 2];
            std::thread::spawn(move || get(addr, path))
        })
        .collect();
    while total(&health, "admin_requests_rejected_total") < 48.0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_probes_answer(addr);
    GATE.open();
    let answers: Vec<_> = asking.into_iter().map(|one| one.join().unwrap()).collect();
    let with = |start: &str| answers.iter().filter(|answer| answer.starts_with(start)).count();
    assert_eq!((with("HTTP/1.1 200"), with("HTTP/1.1 503")), (16, 48));
    assert!(get(addr, "/metrics").ends_with("late"), "the places are free again");
}

#[test]
fn probes_beside_stuck_clients_of_each_kind_are_answered() {
    let health = Health::new();
    let server = builder(&health).timeout(LONG).start().unwrap();
    let clients: Vec<_> = Client::ALL
        .into_iter()
        .map(|kind| {
            // Those that fill both sockets' buffers take their time to connect.
            let fills = matches!(kind, Client::NeverReads | Client::ReadsSlowly);
            let count = if fills { 16 } else { 300 };
            let clients = Clients::connect(server.addr(), kind, count).unwrap();
            assert_probes_answer(server.addr());
            clients
        })
        .collect();
    assert!(total(&health, "admin_connections_closed_total") >= 900.0);
    drop(clients);
}

#[test]
fn stuck_readers_of_large_scrape_are_closed() {
    let health = Health::new();
    let body = Bytes::from(vec![b'x'; 16 << 20]);
    let server = builder(&health)
        .timeout(Duration::from_millis(200))
        .public_route("/metrics", move |_| {
            let body = body.clone();
            async { Response::new(body) }
        })
        .start()
        .unwrap();
    let stuck: Vec<_> = (0..64)
        .map(|_| {
            let mut stream = TcpStream::connect(server.addr()).unwrap();
            stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
            stream
        })
        .collect();
    assert_probes_answer(server.addr());
    let write_closed = || {
        let mut closed = 0.0;
        health.source().collect(&mut |sample| {
            if sample.name == "admin_connections_closed_total"
                && sample.labels == [("reason", "write")]
            {
                closed = sample.value;
            }
        });
        closed
    };
    while write_closed() < 16.0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let answer = get(server.addr(), "/metrics");
    assert!(answer.len() > 16 << 20, "a place is free: {} bytes", answer.len());
    drop(stuck);
}

#[test]
fn panicking_handler_answers_500_and_is_counted() {
    fn quick(_: http::Request<Bytes>) -> std::future::Ready<Response<Bytes>> {
        panic!("at once")
    }
    let server = builder(&Health::new())
        .public_route("/at-once", quick)
        .public_route("/later", |_| async { panic!("when polled") })
        .start()
        .unwrap();
    for _ in 0..20 {
        for path in ["/at-once", "/later"] {
            let answer = get(server.addr(), path);
            assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
        }
    }
    assert_probes_answer(server.addr());
    let panics = obs_guard::panics().find(|(place, _)| *place == "health.admin_handler");
    assert_eq!(panics, Some(("health.admin_handler", 40)));
}

#[test]
fn probes_on_unix_socket_beside_stuck_clients_are_answered() {
    use std::io::Read;
    use std::os::unix::net::UnixStream;
    let health = Health::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let server = admin::Builder::new(health.clone()).unix(&path).timeout(LONG).start().unwrap();
    for kind in Client::ALL {
        let fills = matches!(kind, Client::NeverReads | Client::ReadsSlowly);
        let count = if fills { 16 } else { 300 };
        let clients = Clients::connect_unix(&path, kind, count).unwrap();
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let request = b"GET /readyz HTTP/1.1\r\nhost: any\r\nconnection: close\r\n\r\n";
        stream.write_all(request).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{kind:?}: {answer}");
        drop(clients);
    }
    assert!(total(&health, "admin_connections_closed_total") > 0.0);
    server.stop(Duration::from_secs(1));
}
