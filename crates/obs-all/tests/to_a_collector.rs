//! What a collector is told of a request, by every signal.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use obs_all::Config;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Bodies by path.
type Received = Arc<Mutex<HashMap<String, Vec<Value>>>>;

fn collector() -> (String, Received) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let received = Received::default();
    let kept = Arc::clone(&received);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let kept = Arc::clone(&kept);
            std::thread::spawn(move || take(&mut BufReader::new(stream), &kept));
        }
    });
    (endpoint, received)
}

fn take(reader: &mut BufReader<std::net::TcpStream>, kept: &Received) {
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let head = head.to_lowercase();
        let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
        let mut body = vec![0; length.trim().parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        let body = serde_json::from_slice(&body).unwrap();
        kept.lock().unwrap().entry(path).or_default().push(body);
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        reader.get_mut().write_all(answer).unwrap();
    }
}

/// Every object of that key, however deep.
fn all<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match (name == key, field) {
                    (true, Value::Array(items)) => found.extend(items),
                    _ => all(field, key, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| all(item, key, found)),
        _ => {}
    }
}

fn attribute<'a>(of: &'a Value, key: &str) -> Option<&'a Value> {
    let attributes = of["attributes"].as_array()?;
    let pair = attributes.iter().find(|pair| pair["key"] == key)?;
    pair["value"].as_object()?.values().next()
}

async fn send(addr: SocketAddr, head: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = format!("{head}host: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// The requests of this path, once there are some.
async fn requests(received: &Received, path: &str) -> Vec<Value> {
    let begun = Instant::now();
    loop {
        if let Some(requests) = received.lock().unwrap().get(path) {
            return requests.clone();
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing came to {path}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_follows_semantic_conventions() {
    let (endpoint, received) = collector();
    let folder = tempfile::tempdir().unwrap();
    let obs = Config::new("orders")
        .environment(|name| match name {
            "OTEL_EXPORTER_OTLP_PROTOCOL" => Some("http/json".into()),
            "OTEL_EXPORTER_OTLP_COMPRESSION" => Some("none".into()),
            _ => None,
        })
        .otlp_endpoint(endpoint)
        .log_output(folder.path().join("log").to_str().unwrap())
        .admin_addr(None)
        .trusted_proxies(1)
        .propagation(Duration::ZERO)
        .init()
        .unwrap();
    let app = obs.observe(Router::new().route("/orders/{id}", get(async || "an order")));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let lifecycle = obs.lifecycle().clone();
    let serving = tokio::spawn(obs.serve(listener, app));
    let answer = send(addr, "GET /orders/7 HTTP/1.1\r\nx-forwarded-for: 6.6.6.6, 192.0.2.7\r\n");
    assert!(answer.await.starts_with("HTTP/1.1 200"));
    lifecycle.shut_down();
    serving.await.unwrap().unwrap();

    let pid = std::process::id().to_string();
    for signal in ["/v1/traces", "/v1/metrics", "/v1/logs"] {
        for mut request in requests(&received, signal).await {
            let resource =
                request.as_object_mut().unwrap().values_mut().next().unwrap()[0]["resource"].take();
            assert_eq!(attribute(&resource, "service.name").unwrap(), "orders");
            let attributes = resource["attributes"].as_array().unwrap();
            let number = serde_json::json!({"key": "process.pid", "value": {"intValue": pid}});
            assert!(attributes.contains(&number), "{signal}: {resource}");
        }
    }
    let requests = requests(&received, "/v1/traces").await;
    let mut spans = Vec::new();
    requests.iter().for_each(|request| all(request, "spans", &mut spans));
    let span = spans.iter().find(|span| span["name"] == "GET /orders/{id}").unwrap();
    assert_eq!(attribute(span, "client.address").unwrap(), "192.0.2.7");
    assert_eq!(attribute(span, "network.peer.address").unwrap(), "127.0.0.1");
    assert!(attribute(span, "network.peer.port").is_some(), "{span}");
}
