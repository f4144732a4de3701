//! Tasks that outlive their request keep its ids: those of upgraded connections, spawned and cancelled ones.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use std::path::PathBuf;
use std::time::Duration;

use ::tracing::{info, info_span};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::get;
use hyper_util::rt::TokioIo;
use obs_all::context::{ActiveSpan, RequestId, active_span, current_request_id};
use obs_all::{Config, Obs, logging};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";

/// What holds for the work of a request, on whichever thread it runs.
fn is_of_request() -> bool {
    let traced = active_span().is_some_and(|span| span.trace_id.to_string() == TRACE_ID);
    traced && current_request_id().is_some_and(|id| id.as_str() == "abc-123")
}

/// A protocol that begins with an upgrade: each byte comes back.
async fn echo(mut request: Request) -> Response {
    logging::bind!(tenant = "acme");
    let upgrade = hyper::upgrade::on(&mut request);
    obs_all::spawn(async move {
        let mut stream = TokioIo::new(upgrade.await.unwrap());
        let mut byte = [0];
        while stream.read_exact(&mut byte).await.is_ok() {
            info!(held = is_of_request(), "received");
            let nested = obs_all::spawn(async { info_span!("nested").in_scope(is_of_request) });
            let held = nested.await.unwrap();
            info!(held, "nested");
            stream.write_all(&byte).await.unwrap();
        }
        info!(held = is_of_request(), "closed");
    });
    let response = Response::builder().status(101).header("connection", "upgrade");
    response.header("upgrade", "echo").body(Body::empty()).unwrap()
}

/// Says so when it is dropped.
struct Cancelled;

impl Drop for Cancelled {
    fn drop(&mut self) {
        info!(held = is_of_request(), "cancelled");
    }
}

/// Spawns a task that never ends, and cancels it from elsewhere.
async fn cancel() -> &'static str {
    let task = obs_all::spawn(async {
        let _cancelled = Cancelled;
        std::future::pending::<()>().await;
    });
    tokio::spawn(async move {
        tokio::task::yield_now().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        info!(held = is_of_request(), "bare");
    });
    "cancelled"
}

fn service() -> (Obs, PathBuf, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let config = Config::new("sockets").environment(|_| None).log_output(log.to_str().unwrap());
    let obs = config.admin_addr(None).otlp_endpoint("http://127.0.0.1:9").init().unwrap();
    (obs, log, folder)
}

async fn request(listener: &TcpListener, path: &str, more: &str) -> TcpStream {
    let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nx-request-id: abc-123\r\n\
         traceparent: 00-{TRACE_ID}-b7ad6b7169203331-01\r\n{more}\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// The lines of the handlers, once the last of them is there.
async fn lines(obs: &Obs, log: &PathBuf, last: &str) -> Vec<Value> {
    loop {
        let _ = obs.logging().flush(Duration::from_secs(60));
        let text = std::fs::read_to_string(log).unwrap();
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        if lines.iter().any(|line| line["event"] == last) {
            return lines.into_iter().filter(|line| line.get("held").is_some()).collect();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spawned_work_keeps_ids_of_request() {
    let (obs, log, _folder) = service();
    let router = Router::new().route("/echo", get(echo)).route("/cancel", get(cancel));
    let app = obs.observe(router);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut upgraded =
        request(&listener, "/echo", "connection: upgrade\r\nupgrade: echo\r\n").await;
    let mut cancelled = request(&listener, "/cancel", "connection: close\r\n").await;
    tokio::spawn(async move { axum::serve(listener, app).await });

    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(upgraded.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    for byte in *b"ab" {
        upgraded.write_all(&[byte]).await.unwrap();
        assert_eq!(upgraded.read_u8().await.unwrap(), byte);
    }
    drop(upgraded);
    let told = lines(&obs, &log, "closed").await;
    let told: Vec<&Value> = told.iter().filter(|line| line["tenant"] == "acme").collect();
    let events: Vec<&str> = told.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["received", "nested", "received", "nested", "closed"]);
    for line in told {
        assert_eq!(line["held"], true, "{line}");
        assert_eq!((&line["trace_id"], &line["request_id"]), (&TRACE_ID.into(), &"abc-123".into()));
    }

    cancelled.read_to_end(&mut Vec::new()).await.unwrap();
    let told = lines(&obs, &log, "bare").await;
    let find = |event: &str| told.iter().find(|line| line["event"] == event).unwrap();
    assert_eq!(find("cancelled")["held"], true);
    assert_eq!(find("cancelled")["trace_id"], TRACE_ID);
    assert_eq!(find("bare")["held"], false, "a bare task has nothing");
}

#[test]
fn spawned_future_has_callers_context_and_leaves_none() {
    let former = active_span();
    let (trace_id, span_id) = (obs_all::context::TraceId::new(7), obs_all::context::SpanId::new(8));
    let context = logging::Context::new();
    let work = {
        let _request = RequestId::parse(b"job-7").unwrap().enter();
        let _context = context.enter();
        obs_all::in_current(async {
            let id = current_request_id().map(|id| id.to_string());
            (id, logging::Context::current().is_some())
        })
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(work), (Some("job-7".to_owned()), true));
    assert!(current_request_id().is_none() && logging::Context::current().is_none());
    let kept = ActiveSpan { trace_id, span_id, sampled: true, name: "other", route: None };
    obs_all::context::set_active_span(Some(kept));
    assert_eq!(runtime.block_on(obs_all::in_current(async { active_span() })), Some(kept));
    obs_all::context::set_active_span(former);
}
