//! Log lines to a collector as well, by OpenTelemetry's variables.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::channel;
use std::time::Duration;

use obs_all::Config;

fn config(variables: Vec<(&'static str, String)>) -> Config {
    Config::new("orders").environment(move |name| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    })
}

fn exporter() -> (&'static str, String) {
    ("OTEL_LOGS_EXPORTER", "otlp".into())
}

#[test]
fn collector_gets_lines_and_both_outputs_are_counted() {
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
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            reader.get_mut().write_all(answer).unwrap();
            send.send((head, body)).unwrap();
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let headers = ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "authorization=Bearer%20token".into());
    let resource = ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test".into());
    let own = ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", format!("{endpoint}/v1/logs"));
    let protocol = ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf".into());
    let wrong = ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "lzma".into());
    let obs = config(vec![exporter(), headers, resource, own, protocol, wrong])
        .log_output(log.to_str().unwrap())
        .admin_addr(None)
        .init()
        .unwrap();
    ::tracing::info!(answer = 42, "hello collector");
    assert!(obs.flush(Duration::from_secs(60)));

    let mut text = String::new();
    while !text.contains("hello collector") {
        let (head, body) = requests.recv_timeout(Duration::from_secs(60)).unwrap();
        assert!(head.starts_with("post /v1/logs "), "{head}");
        assert!(head.contains("authorization: bearer token"), "{head}");
        text.push_str(&String::from_utf8_lossy(&body));
    }
    for expected in ["hello collector", "orders", "deployment.environment.name"] {
        assert!(text.contains(expected), "{text}");
    }
    let lines = std::fs::read_to_string(&log).unwrap();
    assert!(lines.contains("hello collector"), "{lines}");
    assert!(lines.contains("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION is `lzma`"), "{lines}");
    let shown = obs.metrics().encode_text();
    for expected in [
        r#"obs_log_lines_total{level="info",output="lines"} 1"#,
        r#"obs_log_lines_total{level="info",output="otlp"} 1"#,
        r#"obs_log_lines_dropped_total{output="otlp"} 0"#,
    ] {
        assert!(shown.contains(expected), "{expected} is missing in {shown}");
    }
}
