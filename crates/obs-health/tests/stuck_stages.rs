//! Each stage of the shutdown stuck in turn: the process ends all the same, and tells what was lost.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use obs_health::lifecycle::{Deadlines, FlushStage, Flushed, Lifecycle};
use obs_health::{Health, Server, admin};
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpListener;
use tower::service_fn;

/// Only a test that fails takes so long.
const LONG: Duration = Duration::from_secs(60);
const GRACE_PERIOD: Duration = Duration::from_secs(6);
const READY: &str = "the child is ready";

/// Sticks as told: `block` holds its thread, anything else pends for ever.
async fn stick(how: &str) {
    if how == "block" {
        block();
    }
    std::future::pending::<()>().await;
}

fn block() {
    std::thread::sleep(LONG * 10);
}

/// Not a test: a service that sticks where `STUCK_CHILD` says, such as `request block`.
#[test]
fn child() {
    let Ok(stuck) = std::env::var("STUCK_CHILD") else { return };
    let (place, how) = stuck.split_once(' ').unwrap();
    tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stdout).init();
    let mut deadlines = Deadlines::development();
    deadlines.requests = Duration::from_millis(500);
    deadlines.tasks = Duration::from_millis(300);
    deadlines.resources = Duration::from_millis(300);
    deadlines.traces = Duration::from_millis(300);
    deadlines.metrics = Duration::from_millis(300);
    deadlines.logs = Duration::from_millis(300);
    deadlines.grace_period = GRACE_PERIOD;
    let lifecycle = Lifecycle::new(Health::new(), deadlines);
    lifecycle.watch_signals().unwrap();
    let mut runtime = match place {
        "runtime" => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(serve(lifecycle, place, how));
}

async fn serve(lifecycle: Lifecycle, place: &str, how: &str) {
    let (begun, has_begun) = channel::<()>();
    register(&lifecycle, place, how, &begun);
    let sticks = matches!(place, "request" | "runtime").then(|| how.to_owned());
    let begins = begun.clone();
    let app = service_fn(move |_: Request<Incoming>| {
        let (sticks, begins) = (sticks.clone(), begins.clone());
        async move {
            begins.send(()).unwrap();
            if let Some(how) = sticks {
                stick(&how).await;
            }
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
        }
    });
    let admin = start_admin(place, how, &begun);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (admin_addr, addr) = (admin.addr(), listener.local_addr().unwrap());
    lifecycle.keep_admin(admin);
    let asked = if place == "admin" { admin_addr } else { addr };
    if place == "early" {
        // The signals' thread has it, and there is nothing yet that could end in order.
        kill_process(rustix::process::getpid(), Signal::TERM).unwrap();
        lifecycle.draining().cancelled().await;
        // Long enough for the signals' thread to find that nothing is served.
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let called = std::env::var("STUCK_BY").is_ok_and(|by| by == "call").then(|| lifecycle.clone());
    // On a thread: it waits for the handler while the runtime may be blocked.
    std::thread::spawn(move || {
        let mut stream = std::net::TcpStream::connect(asked).unwrap();
        let request = b"GET /stuck HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        stream.write_all(request).unwrap();
        has_begun.recv().unwrap();
        let mut stdout = std::io::stdout();
        writeln!(stdout, "\n{READY}").unwrap();
        if let Some(lifecycle) = called {
            lifecycle.shut_down();
        }
        let _aborted = stream.read_to_end(&mut Vec::new());
    });
    let report = Server::new(listener).serve(app, lifecycle).await;
    tracing::info!(%report, "served");
    if place == "after" {
        tokio::time::sleep(GRACE_PERIOD + Duration::from_millis(500)).await;
        tracing::info!("still here");
    }
}

fn register(lifecycle: &Lifecycle, place: &str, how: &str, begun: &Sender<()>) {
    let (how, begun) = (how.to_owned(), begun.clone());
    let flush = |stage| {
        lifecycle.on_flush(stage, |_| {
            block();
            Flushed::default()
        });
    };
    match place {
        "task" | "early" => lifecycle.spawn(async move {
            begun.send(()).unwrap();
            stick(&how).await;
        }),
        "hook" => lifecycle.on_close("database", move || async move { stick(&how).await }),
        "hook_call" => lifecycle.on_close("database", || {
            block();
            std::future::ready(())
        }),
        "traces" => flush(FlushStage::Traces),
        "metrics" => flush(FlushStage::Metrics),
        "logs" => flush(FlushStage::Logs),
        _ => {}
    }
}

fn start_admin(place: &str, how: &str, begun: &Sender<()>) -> admin::AdminServer {
    let (sticks, how, begun) = (place == "admin", how.to_owned(), begun.clone());
    let handler = move |_| {
        let (how, begun) = (how.clone(), begun.clone());
        async move {
            begun.send(()).unwrap();
            if sticks {
                stick(&how).await;
            }
            Response::new(Bytes::new())
        }
    };
    let builder = admin::Builder::new(Health::new()).addr("127.0.0.1:0".parse().unwrap());
    builder.public_route("/stuck", handler).start().unwrap()
}

/// How the shutdown begins, and the exit code of a child that must be ended.
const BEGUN: [(&str, i32); 2] = [("signal", 143), ("call", 1)];

/// The exit code and the log of a child that is stuck like this and is told to go.
fn end(stuck: &str, begun: &str) -> (Option<i32>, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture"])
        .env("STUCK_CHILD", stuck)
        .env("STUCK_BY", begun)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while line.trim_end() != READY {
        line.clear();
        assert!(output.read_line(&mut line).unwrap() > 0, "{stuck}: ended before it was ready");
    }
    if begun == "signal" {
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    }
    let reading = std::thread::spawn(move || {
        let mut log = String::new();
        output.read_to_string(&mut log).map(|_| log)
    });
    let since = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if since.elapsed() > LONG {
            child.kill().unwrap();
            let log = reading.join().unwrap().unwrap();
            panic!("{stuck}: the process is still there\n{log}");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    (status.code(), reading.join().unwrap().unwrap())
}

/// The child's report has a stage that begins and ends like this; nothing but the stage is lost.
#[track_caller]
fn assert_lost(stuck: &str, is_ended: bool, stage: &str, lost: &str, line: &str) {
    for (begun, code) in BEGUN {
        let (ended, log) = end(stuck, begun);
        assert_eq!(ended, Some(if is_ended { code } else { 0 }), "{stuck} by {begun}\n{log}");
        assert_reported(stuck, &log, stage, lost, line);
    }
}

fn assert_reported(stuck: &str, log: &str, stage: &str, lost: &str, line: &str) {
    let report = log.lines().rev().find(|line| line.contains("report=")).unwrap_or_default();
    let (_, report) = report.split_once("report=").unwrap_or_default();
    let bad: Vec<_> = report
        .split("), ")
        .flat_map(|part| part.rsplit_once(" ms, ").map_or(vec![part], |(_, last)| vec![last]))
        .filter(|part| {
            part.contains("given up") || !part.contains(" 0 lost") && part.contains("lost")
        })
        .collect();
    assert_eq!(bad.len(), 1, "{stuck}: {bad:?}\n{log}");
    assert!(bad[0].starts_with(stage) && bad[0].contains(lost), "{stuck}: {bad:?}\n{log}");
    assert!(log.contains(line), "{stuck}: no {line:?}\n{log}");
}

const WITH_LOSSES: &str = "shutdown complete, with losses";
const NOT_ENDED: &str = "the process did not end by its grace period, after its shutdown";

#[test]
fn pending_request_is_aborted_and_counted() {
    assert_lost("request pend", false, "requests", "0 finished, 1 lost", WITH_LOSSES);
}

#[test]
fn blocking_request_is_counted_and_ends_with_process() {
    assert_lost("request block", true, "requests", "0 finished, 1 lost", NOT_ENDED);
}

#[test]
fn pending_background_task_is_counted() {
    assert_lost("task pend", false, "tasks", "0 finished, 1 lost", WITH_LOSSES);
}

#[test]
fn blocking_background_task_is_counted_and_ends_with_process() {
    assert_lost("task block", true, "tasks", "0 finished, 1 lost", NOT_ENDED);
}

/// The signal came before the service was up, and its lifecycle is gone by the end of the time.
#[test]
fn service_signalled_before_it_serves_has_its_whole_grace_period() {
    let (ended, log) = end("early block", "itself");
    assert_eq!(ended, Some(143), "{log}");
    assert_reported("early block", &log, "tasks", "0 finished, 1 lost", NOT_ENDED);
    assert!(!log.contains("did not come up"), "{log}");
}

#[test]
fn hanging_closer_is_named_and_counted() {
    let line = "not closed in time: left to the process's end resource=\"database\"";
    for stuck in ["hook pend", "hook block", "hook_call block"] {
        assert_lost(stuck, false, "resources", "0 finished, 1 lost", line);
    }
}

#[test]
fn blocking_flush_is_given_up() {
    for stage in ["traces", "metrics", "logs"] {
        let line = format!("the flush did not keep its deadline stage=\"{stage}\"");
        assert_lost(&format!("{stage} block"), false, stage, "given up", &line);
    }
}

#[test]
fn hanging_admin_handler_is_counted() {
    for stuck in ["admin pend", "admin block"] {
        assert_lost(stuck, false, "admin", "(0 finished, 1 lost)", WITH_LOSSES);
    }
}

#[test]
fn blocked_runtime_is_reported_with_work_in_flight() {
    for (begun, code) in BEGUN {
        let (ended, log) = end("runtime block", begun);
        assert_eq!(ended, Some(code), "{begun}\n{log}");
        assert_under_way(&log);
    }
}

fn assert_under_way(log: &str) {
    let line = log.lines().find(|line| line.contains("was not over by its grace period"));
    let line = line.unwrap_or_default();
    assert!(line.contains("stage=\"propagation\"") && line.contains("requests=1"), "{log}");
}

/// The application goes on after a shutdown of its own that was clean; one that a signal began ends it.
#[test]
fn clean_shutdown_by_call_does_not_end_process() {
    let (code, log) = end("after goes-on", "call");
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("still here"), "{log}");
}
