//! The bill says what left the process, and what it costs.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use obs_all::Config;
use obs_testing::otlp::Collector;
use serde_json::Value;

fn bill(admin: SocketAddr) -> Value {
    let mut stream = TcpStream::connect(admin).unwrap();
    let head = "GET /debug/cost HTTP/1.1\r\nhost: localhost\r\naccept: application/json\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap()
}

fn bytes_of(bill: &Value, kind: &str) -> f64 {
    let items = bill["cost"].as_array().unwrap().iter();
    items.filter(|item| item["kind"] == kind).map(|item| item["bytes"].as_f64().unwrap()).sum()
}

#[test]
fn bill_agrees_with_written_and_exported_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let collector = Collector::start([]);
    let endpoint = collector.url();
    let obs = Config::new("orders")
        .environment(move |name| match name {
            "OBS_ADMIN_ADDR" => Some("127.0.0.1:0".into()),
            // None of them is reached.
            "OBS_LOG_BUDGET" => Some("1GB/s".into()),
            "OBS_SPAN_BUDGET" => Some("1000000/s".into()),
            "OBS_SERIES_BUDGET" => Some("50000".into()),
            "OBS_PRICE_LOGS_GB" => Some("0.5".into()),
            "OBS_PRICE_INSTANCES" => Some("10".into()),
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" => Some(format!("{endpoint}/v1/traces")),
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL" => Some("http/protobuf".into()),
            _ => None,
        })
        .log_output(log.display().to_string())
        .init()
        .unwrap();
    for round in 0..2_000 {
        let span = tracing::info_span!("work", round);
        span.in_scope(|| tracing::info!(round, item = "a", "done"));
    }
    assert!(obs.flush(Duration::from_secs(60)));
    let bill = bill(obs.admin_addr().unwrap());

    let within = |billed: f64, left: f64, what: &str| {
        assert!((billed / left - 1.0).abs() < 0.01, "{what}: {billed} billed, {left} left");
    };
    let written = std::fs::metadata(&log).unwrap().len();
    // A busy callsite may be 31 lines behind.
    within(bytes_of(&bill, "log"), written as f64 - 15.0 * 150.0, "lines");
    let sent: usize = collector.seen().iter().map(|request| request.body.len()).sum();
    within(bytes_of(&bill, "span"), sent as f64, "spans");
    assert!(bill["per_month"].as_f64().unwrap() > 0.0, "{bill}");
    assert_eq!(bill["instances"], 10);
    let budgets = bill["budgets"].as_array().unwrap();
    let kinds: Vec<_> = budgets.iter().map(|budget| budget["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["log", "span", "series"]);
    assert!(budgets.iter().all(|budget| budget["shed"] == 0), "{budgets:?}");
    assert!(budgets[2]["used"].as_f64().unwrap() > 0.0, "{budgets:?}");
}
