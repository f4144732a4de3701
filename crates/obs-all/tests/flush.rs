//! What a flush answers is about what came since the flush before it.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use obs_all::Config;

/// Only a test that fails takes so long.
const LONG: Duration = Duration::from_secs(60);

/// A collector that takes what comes, or refuses it for good.
fn collector(takes: Arc<AtomicBool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/v1/logs", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
            let head = head.to_lowercase();
            let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
            reader.read_exact(&mut vec![0; length.trim().parse().unwrap()]).unwrap();
            let status = if takes.load(Ordering::SeqCst) { "200 OK" } else { "400 Bad Request" };
            let answer =
                format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
        }
    });
    endpoint
}

#[test]
fn lost_line_fails_only_next_flush() {
    let takes = Arc::new(AtomicBool::new(false));
    let endpoint = collector(Arc::clone(&takes));
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let obs = Config::new("orders")
        .environment(move |name| match name {
            "OTEL_LOGS_EXPORTER" => Some("otlp".into()),
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT" => Some(endpoint.clone()),
            _ => None,
        })
        .log_output(log.to_str().unwrap())
        .log_filter("info,obs_otlp=off") // the exporter's own warning would be lost, too
        .admin_addr(None)
        .init()
        .unwrap();
    let lost = |lines: u32| {
        let sample = format!("obs_log_lines_dropped_total{{output=\"otlp\"}} {lines}\n");
        while !obs.metrics().encode_text().contains(&sample) {
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    tracing::info!("lost in the flush");
    assert!(!obs.flush(LONG));
    takes.store(true, Ordering::SeqCst);
    tracing::info!("delivered");
    assert!(obs.flush(LONG), "an earlier loss is no loss of this flush");

    takes.store(false, Ordering::SeqCst);
    tracing::info!("lost before the flush");
    lost(2);
    takes.store(true, Ordering::SeqCst);
    assert!(!obs.flush(LONG), "lost since the flush before");
    assert!(obs.flush(LONG));
}
