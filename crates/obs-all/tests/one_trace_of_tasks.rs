//! One trace id in tokio's tasks, and what a collector gets of them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use ::tracing::{Instrument, debug, debug_span, error, info, info_span};
use obs_all::Config;
use obs_all::context::active_span;
use serde_json::Value;

/// A collector of one connection after the other, and its address.
fn collector() -> (String, Receiver<Value>) {
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
            send.send(serde_json::from_slice(&body).unwrap()).unwrap();
            reader.get_mut().write_all(answer).unwrap();
        }
    });
    (endpoint, requests)
}

/// What sqlx does: its event comes on a thread that entered the caller's span.
fn query() {
    debug!(target: "sqlx::query", summary = "SELECT 1", db.statement = "", elapsed_secs = 0.0);
}

/// The work of a task, in a span that the log wants and the traces do not.
async fn work() {
    tokio::task::yield_now().await;
    query();
    error!(target: "logged", "it failed");
    info!(target: "logged", "a line");
    let span = debug_span!(target: "logged", "blocking");
    tokio::task::spawn_blocking(move || span.in_scope(query)).await.unwrap();
    // As sqlx does: the span is entered where another thread runs.
    let current = ::tracing::Span::current();
    std::thread::spawn(move || current.in_scope(query)).join().unwrap();
}

#[test]
fn tasks_and_queries_are_in_trace_of_request() {
    let (endpoint, requests) = collector();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let obs = Config::new("orders")
        .environment(move |name| match name {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" => Some(endpoint.clone()),
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL" => Some("http/json".into()),
            "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION" => Some("none".into()),
            _ => None,
        })
        .log_output(log.to_str().unwrap())
        .log_filter("info,logged=debug,sqlx=off")
        .admin_addr(None)
        .init()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let trace = runtime.block_on(async {
        let request = info_span!(target: "logged", parent: None, "request");
        async {
            let tasks: Vec<_> = (0..20)
                .map(|_| tokio::spawn(work().instrument(debug_span!(target: "logged", "task"))))
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
            active_span().unwrap().trace_id.to_string()
        }
        .instrument(request)
        .await
    });
    assert!(obs.traces().flush(Duration::from_secs(60)).complete);
    assert!(obs.logging().flush(Duration::from_secs(60)).complete);

    let mut spans = Vec::new();
    while let Ok(request) = requests.try_recv() {
        let sent = request.pointer("/resourceSpans/0/scopeSpans/0/spans").unwrap().clone();
        spans.extend(sent.as_array().unwrap().clone());
    }
    let (root, queries): (Vec<_>, Vec<_>) =
        spans.iter().partition(|span| span["name"] == "request");
    assert_eq!((root.len(), queries.len()), (1, 60), "{spans:#?}");
    for query in &queries {
        assert_eq!(query["traceId"], trace.as_str());
        assert_eq!(query["parentSpanId"], root[0]["spanId"], "the query hangs elsewhere: {query}");
    }
    let exceptions = root[0]["events"].as_array().unwrap();
    assert_eq!(exceptions.len(), 20, "{exceptions:#?}");
    assert!(exceptions.iter().all(|event| event["name"] == "exception"));
    assert_eq!(root[0]["status"]["code"], 2);

    let written = std::fs::read_to_string(log).unwrap();
    let of_tasks = written.lines().filter(|line| line.contains(r#""target":"logged""#));
    assert_eq!(of_tasks.clone().count(), 40, "{written}");
    for line in of_tasks {
        assert!(line.contains(&trace), "without its trace: {line}");
    }
}
