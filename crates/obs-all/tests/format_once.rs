//! A value is formatted once, however many pillars read it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use std::cell::Cell;
use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use ::tracing::{error, field, info, info_span};
use obs_all::Config;

/// As itertools' `format`: it panics the second time.
struct Once(Cell<Option<&'static str>>);

fn once(text: &'static str) -> Once {
    Once(Cell::new(Some(text)))
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.take() {
            Some(text) => {
                // An event of its own, with a value of its own.
                info_span!("inner", nested = ?"nested value")
                    .in_scope(|| error!(of = ?text, "inner"));
                f.write_str(text)
            }
            None => panic!("formatted twice"),
        }
    }
}

impl fmt::Display for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Takes whatever is sent to it.
fn collector() -> (String, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (send, requests) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
            let head = head.to_lowercase();
            let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
            let mut body = vec![0; length.trim().parse().unwrap()];
            reader.read_exact(&mut body).unwrap();
            send.send(body).unwrap();
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            reader.get_mut().write_all(answer).unwrap();
        }
    });
    (endpoint, requests)
}

#[test]
fn value_formattable_once_is_whole_in_lines_and_spans() {
    let (endpoint, requests) = collector();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let obs = Config::new("orders")
        .environment(|name| match name {
            "OTEL_EXPORTER_OTLP_PROTOCOL" => Some("http/protobuf".into()),
            "OTEL_LOGS_EXPORTER" | "OTEL_METRICS_EXPORTER" => Some("none".into()),
            _ => None,
        })
        .log_output(path.to_str().unwrap())
        .admin_addr(None)
        .otlp_endpoint(&endpoint)
        .init()
        .unwrap();
    let span = info_span!("request", list = %once("at birth"), other = ?once("also at birth"), late = field::Empty);
    span.record("late", field::debug(once("recorded")));
    span.in_scope(|| {
        error!(problem = %once("of an event"), "{}", once("a message"));
        let (same, wide) = (once("a shared one"), u128::MAX);
        error!(value = ?same, wide);
        info!(alone = %once("for the log alone"), "third");
    });
    assert!(obs.logging().flush(Duration::from_secs(60)).complete);
    let lines = std::fs::read_to_string(&path).unwrap();
    for text in [
        r#""list":"at birth""#,
        r#""other":"also at birth""#,
        r#""late":"recorded""#,
        r#""problem":"of an event""#,
        r#""event":"a message""#,
        r#""value":"a shared one""#,
        r#""alone":"for the log alone""#,
        "340282366920938463463374607431768211455",
    ] {
        assert!(lines.contains(text), "{text} in {lines}");
    }
    assert!(obs.flush(Duration::from_secs(60)));
    drop(span);
    assert!(obs.flush(Duration::from_secs(60)));
    let sent: String =
        requests.try_iter().map(|body| String::from_utf8_lossy(&body).into_owned()).collect();
    for text in ["at birth", "also at birth", "recorded", "a message", "value=a shared one"] {
        assert!(sent.contains(text), "{text} in {sent}");
    }
    assert!(!sent.contains("panicked"), "{sent}");
    assert!(!lines.contains("panicked"), "{lines}");
    assert_eq!(obs_guard::panics().collect::<Vec<_>>(), [], "no pillar formatted anything twice");
}
