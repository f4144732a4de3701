//! The program under 5,000 spans a second: within its memory, nothing uncounted.
//!
//! Five seconds in every test run. A minute, and ten, with what was measured:
//! `OBS_SOAK_SECONDS=600 cargo test --release -p obs-console --test soak -- --nocapture`.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a failed test is a panic")]

#[path = "support/otlp.rs"]
mod otlp;
mod support;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use serde_json::Value;
use support::{TOKEN, get};

const SECONDS: u64 = 5;
const SPANS_A_BATCH: u64 = 500;
const BATCHES_A_SECOND: u64 = 10;

/// What the page asks for, the costliest questions among it.
const ENDPOINTS: [&str; 7] = [
    "/api/requests?min_ms=0",
    "/api/requests?q=nowhere+to+be+found",
    "/api/requests?attr=user:nobody",
    "/api/logs?q=nothing",
    "/api/services",
    "/api/map",
    "/api/stats",
];

#[tokio::test]
async fn five_thousand_spans_per_second_stay_within_limits() {
    let seconds = std::env::var("OBS_SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    let seconds: u64 = seconds.unwrap_or(SECONDS);
    let mut program = Command::new(env!("CARGO_BIN_EXE_obs-console"))
        .args(["--otlp-grpc", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0"])
        .args(["--api", "127.0.0.1:0", "--token", TOKEN])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(program.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    let url = |name: &str| ready[name].as_str().unwrap().to_owned();
    let api: SocketAddr = url("api").strip_prefix("http://").unwrap().parse().unwrap();
    let mut client = TraceServiceClient::connect(url("otlp_grpc")).await.unwrap();

    let mut tick = tokio::time::interval(Duration::from_millis(1_000 / BATCHES_A_SECOND));
    let mut slowest = [Duration::ZERO; ENDPOINTS.len()];
    let mut all: Vec<Duration> = Vec::new();
    let batches = seconds * BATCHES_A_SECOND;
    let begun = Instant::now();
    for batch in 0..batches {
        tick.tick().await;
        client.export(otlp::traces("orders", spans(batch))).await.unwrap();
        if batch % BATCHES_A_SECOND == 0 {
            for (query, slowest) in ENDPOINTS.iter().zip(&mut slowest) {
                let asked = Instant::now();
                assert_eq!(get(api, query).status, 200, "{query}");
                all.push(asked.elapsed());
                *slowest = asked.elapsed().max(*slowest);
            }
        }
    }
    let took = begun.elapsed();

    let stats = get(api, "/api/stats").json();
    let number = |part: &str, name: &str| stats[part][name].as_u64().unwrap();
    let sent = batches * SPANS_A_BATCH;
    assert_eq!(number("received", "spans"), sent);
    assert_eq!(number("stored", "spans") + number("evicted", "spans"), sent);
    assert!(number("stored", "span_bytes") <= number("limits", "span_bytes"));
    let evicted = number("evicted", "spans");
    all.sort();
    let peak = peak_memory_kib(program.id());
    println!(
        "{sent} spans in {took:.1?}; kept {} in {} KiB by the store's count, {evicted} evicted; the process' \
         peak {peak} KiB; half of all answers within {:.1?}, 99 in 100 within {:.1?}",
        number("stored", "spans"),
        number("stored", "span_bytes") / 1_024,
        all.get(all.len() / 2).unwrap(),
        all.get(all.len() * 99 / 100).unwrap(),
    );
    for (query, slowest) in ENDPOINTS.iter().zip(slowest) {
        println!("  {query}: at most {slowest:.1?}");
    }
    program.kill().unwrap();
    program.wait().unwrap();
    assert!(peak < 256 << 10, "all stores together are bounded to 128 MiB: peak {peak} KiB");
    assert!(seconds < 60 || evicted > 0, "so much does not fit, and what went is counted");
}

/// 125 requests of four spans with five attributes each.
fn spans(batch: u64) -> Vec<opentelemetry_proto::tonic::trace::v1::Span> {
    let span = |number: u64| {
        let trace_id = u128::from(batch * SPANS_A_BATCH + number / 4) + 1;
        let mut span =
            otlp::span(trace_id, number + 1, 0, "GET /orders/{id}", (number, number + 9));
        span.attributes =
            ["http.request.method", "http.route", "url.path", "server.address", "user"]
                .iter()
                .map(|key| otlp::text(key, "a value of some length"))
                .collect();
        span
    };
    (0..SPANS_A_BATCH).map(span).collect()
}

fn peak_memory_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
}
