//! Budgets shed the cheapest telemetry and say so.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use obs_all::Config;
use obs_testing::otlp::Collector;
use serde_json::Value;

fn get(admin: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(admin).unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: application/json\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The sum of all series that begin like this.
fn sum(metrics: &str, start: &str) -> f64 {
    let values = metrics.lines().filter(|line| line.starts_with(start));
    values.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

#[test]
fn service_past_budgets_sheds_and_counts() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let collector = Collector::start([]);
    let endpoint = collector.url();
    let obs = Config::new("orders")
        .environment(move |name| match name {
            "OBS_ADMIN_ADDR" => Some("127.0.0.1:0".into()),
            "OBS_LOG_BUDGET" => Some("2kB/s".into()),
            "OBS_SPAN_BUDGET" => Some("5/s".into()),
            "OBS_SERIES_BUDGET" => Some("60".into()),
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" => Some(format!("{endpoint}/v1/traces")),
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL" => Some("http/protobuf".into()),
            _ => None,
        })
        .log_output(log.display().to_string())
        .init()
        .unwrap();
    let users = obs.metrics().counter_vec("users_total", "Users.", ["user"]).unwrap();
    for round in 0..500 {
        users.with([&round.to_string()]).inc();
        tracing::info_span!("work", round).in_scope(|| {
            tracing::info!(round, "done");
            if round % 100 == 7 {
                tracing::error!(round, "failed");
            }
        });
    }
    assert!(obs.flush(Duration::from_secs(60)));
    let lines = std::fs::read_to_string(&log).unwrap();
    assert_eq!(lines.lines().filter(|line| line.contains(r#""event":"failed""#)).count(), 5);
    let admin = obs.admin_addr().unwrap();
    let metrics = get(admin, "/metrics");
    let written = lines.lines().filter(|line| line.contains(r#""event":"done""#)).count() as f64;
    assert_eq!(sum(&metrics, "obs_log_lines_shed_total{level=\"info\"}") + written, 500.0);
    assert_eq!(sum(&metrics, "obs_log_lines_shed_total{level=\"error\"}"), 0.0);
    assert!(sum(&metrics, "obs_traces_shed_total") > 400.0, "{metrics}");
    assert_eq!(
        sum(&metrics, "users_total{user=") + sum(&metrics, "users_total{otel_metric_overflow="),
        500.0
    );
    assert!(sum(&metrics, "obs_metrics_series_shed_total") > 400.0, "{metrics}");
    let bill = get(admin, "/debug/cost");
    let bill: Value = serde_json::from_str(bill.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let shed = |budget: &Value| budget["shed"].as_u64().unwrap();
    let budgets = bill["budgets"].as_array().unwrap();
    assert!(budgets.len() == 3 && budgets.iter().all(|budget| shed(budget) > 100), "{budgets:?}");
}
