//! The admin server on a Unix-domain socket, as the environment asks for it.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use obs_all::Config;

#[test]
fn obs_admin_addr_accepts_socket_path() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    let addr = format!("unix:{}", socket.display());
    let log = folder.path().join("log").display().to_string();
    let obs = Config::new("orders")
        .environment(move |name| match name {
            "OBS_ADMIN_ADDR" => Some(addr.clone()),
            "OBS_LOG_OUTPUT" => Some(log.clone()),
            _ => None,
        })
        .init()
        .unwrap();
    assert_eq!(obs.admin_addr(), None);
    let shown = obs.explain().rows().find(|(name, ..)| *name == "admin.addr").unwrap().1;
    assert!(shown.starts_with("unix:"), "{shown}");

    let mut stream = UnixStream::connect(&socket).unwrap();
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#""ready":true"#), "{answer}");
    drop(obs);
    assert!(!socket.exists(), "the socket's file stays after the end");
}
