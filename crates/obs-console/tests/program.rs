//! The program: one line when it is ready, plain sentences, exit codes.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

mod support;

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use support::raw;

fn program(options: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_obs-console"))
        .args(options)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

const FREE: [&str; 6] =
    ["--otlp-grpc", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--api", "127.0.0.1:0"];

fn first_line(child: &mut Child) -> Value {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap()
}

fn address(url: &Value) -> SocketAddr {
    url.as_str().unwrap().strip_prefix("http://").unwrap().parse().unwrap()
}

fn end(mut child: Child, signal: &str) -> Option<i32> {
    let id = child.id().to_string();
    assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    child.wait().unwrap().code()
}

#[test]
fn program_prints_addresses_and_ends_on_sigterm_and_sigint() {
    for signal in ["-TERM", "-INT"] {
        let mut child = program(&FREE);
        let ready = first_line(&mut child);
        let token = ready["token"].as_str().unwrap();
        let head = format!(
            "GET /api/stats HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n"
        );
        let answer = raw(address(&ready["api"]), head.as_bytes());
        assert_eq!(answer.json()["stored"]["traces"], 0);
        for receiver in ["otlp_grpc", "otlp_http"] {
            assert_ne!(address(&ready[receiver]).port(), 0);
        }
        let dsn = format!("http://console@{}/1", address(&ready["otlp_http"]));
        assert_eq!(ready["sentry_dsn"], dsn);
        assert_eq!(end(child, signal), Some(0));
    }
}

#[test]
fn program_accepts_given_token_or_none() {
    for (given, told) in [("none", Value::Null), ("abc", json!("abc"))] {
        let mut child = program(&[&FREE[..], &["--token", given]].concat());
        assert_eq!(first_line(&mut child)["token"], told);
        assert_eq!(end(child, "-TERM"), Some(0));
    }
}

#[test]
fn program_with_used_port_prints_one_sentence() {
    let mut first = program(&FREE);
    let taken = first_line(&mut first)["otlp_http"].as_str().unwrap().replace("http://", "");
    let mut second = program(&["--otlp-grpc", "127.0.0.1:0", "--otlp-http", &taken]);
    let (mut out, mut err) = (String::new(), String::new());
    second.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    second.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!(second.wait().unwrap().code(), Some(1));
    assert_eq!(out, "", "no line that says ready");
    assert_eq!(err.lines().count(), 1, "{err}");
    let port = taken.rsplit(':').next().unwrap();
    assert!(err.contains(&format!("port {port} ")) && err.contains("--otlp-http"), "{err}");
    assert_eq!(end(first, "-TERM"), Some(0));
}

#[test]
fn program_with_wrong_option_names_option() {
    for (options, part) in [
        (&["--service", "orders"][..], "NAME=URL"),
        (&["--otlp-grpc", "nowhere"], "--otlp-grpc"),
        (&["--token", "two words"], "token"),
    ] {
        let output = program(options).wait_with_output().unwrap();
        assert!(!output.status.success());
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(err.contains(part), "{err}");
    }
}
