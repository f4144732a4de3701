//! The watchdog: reports a runtime that is wedged, never one that is busy, waiting or was stopped.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed test is a panic"
)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::Request;
use obs_health::{Health, State, admin, watchdog};
use tokio::runtime::{Builder, Runtime};

mod support;
use support::{captured_log, total};

const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(100);

/// Only a test that fails takes so long.
const LONG: Duration = Duration::from_secs(120);

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn healthz(health: &Health) -> (u16, String) {
    let request = Request::builder().uri("/healthz").body(()).unwrap().into_parts().0;
    let response = health.probe(&request).unwrap();
    (response.status().as_u16(), String::from_utf8(response.body().to_vec()).unwrap())
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < LONG, "never came: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Blocks every worker until what is returned becomes false.
fn block(runtime: &Runtime) -> Arc<AtomicBool> {
    let is_blocked = Arc::new(AtomicBool::new(true));
    // More than workers: whoever wakes to answer the heartbeat finds one more.
    for _ in 0..4 {
        let is_blocked = Arc::clone(&is_blocked);
        runtime.spawn(async move {
            let started = Instant::now();
            while is_blocked.load(Ordering::Acquire) && started.elapsed() < LONG * 2 {
                std::thread::sleep(Duration::from_millis(10));
            }
        });
    }
    is_blocked
}

fn beats(health: &Health) -> f64 {
    total(health, "health_watchdog_beats_total")
}

/// Waits until the watchdog has had this many more heartbeats.
fn pass(health: &Health, more: f64) {
    let before = beats(health);
    until("heartbeats", || beats(health) >= before + more);
}

#[test]
fn blocked_workers_are_reported_with_stacks_until_recovery() {
    let log = captured_log();
    let (runtime, health) = (runtime(), Health::new());
    let _watchdog = watchdog::Builder::new(health.clone())
        .heartbeat(HEARTBEAT_INTERVAL)
        .stacks(|| "main -> serve -> sleep".into())
        .start_on(runtime.handle().clone())
        .unwrap();
    let admin = admin::Builder::new(health.clone());
    let admin = admin.addr("127.0.0.1:0".parse().unwrap()).start().unwrap();
    pass(&health, 2.0);
    assert_eq!(healthz(&health), (200, r#"{"status":"ok"}"#.into()));

    let blocked = block(&runtime);
    until("wedged", || healthz(&health) == (503, r#"{"status":"wedged"}"#.into()));
    assert_eq!(health.state(), State::NotReady);
    let answer = support::get(admin.addr(), "/healthz");
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    until("the report", || log.text().contains("main -> serve -> sleep"));
    let line = log.line_with("main -> serve -> sleep");
    assert!(line.contains("ERROR") && line.contains("the async runtime is wedged"), "{line}");
    assert!(line.contains("obs-watchdog") && line.contains("sleeping"), "{line}");

    blocked.store(false, Ordering::Release);
    until("alive again", || healthz(&health).0 == 200);
    until("the recovery's line", || log.text().contains("moves again"));
    assert_eq!(total(&health, "health_wedged_total"), 1.0);
}

/// For an hour: `OBS_SOAK_HEARTBEATS=36000 cargo test -p obs-health --test watchdog saturated`.
#[test]
fn saturated_yielding_workers_are_not_reported() {
    let asked = std::env::var("OBS_SOAK_HEARTBEATS").ok().and_then(|text| text.parse().ok());
    let heartbeats: f64 = asked.unwrap_or(30.0);
    let (runtime, health) = (runtime(), Health::new());
    let builder = watchdog::Builder::new(health.clone()).heartbeat(HEARTBEAT_INTERVAL);
    let _watchdog = builder.start_on(runtime.handle().clone()).unwrap();
    for _ in 0..16 {
        runtime.spawn(async {
            loop {
                let started = Instant::now();
                while started.elapsed() < Duration::from_millis(3) {
                    std::hint::spin_loop();
                }
                tokio::task::yield_now().await;
            }
        });
    }
    let before = beats(&health);
    while beats(&health) < before + heartbeats {
        pass(&health, 10.0);
        assert_eq!(total(&health, "health_wedged_total"), 0.0);
    }
    assert_eq!(total(&health, "health_wedged_total"), 0.0);
    runtime.shutdown_background();
}

#[test]
fn exhausted_pool_and_waiting_tasks_are_not_reported() {
    let (runtime, health) = (runtime(), Health::new());
    let builder = watchdog::Builder::new(health.clone()).heartbeat(HEARTBEAT_INTERVAL);
    let _watchdog = builder.start_on(runtime.handle().clone()).unwrap();
    let pool = Arc::new(tokio::sync::Semaphore::new(0));
    for _ in 0..200 {
        let pool = Arc::clone(&pool);
        runtime.spawn(async move { pool.acquire_owned().await.map(drop) });
    }
    // Blocking calls where they belong are no reason either.
    let _blocking = runtime.spawn_blocking(|| std::thread::sleep(HEARTBEAT_INTERVAL * 12));
    pass(&health, 10.0);
    assert_eq!(total(&health, "health_wedged_total"), 0.0);
    runtime.shutdown_background();
}

#[test]
fn ended_runtime_is_not_wedged() {
    let (runtime, health) = (runtime(), Health::new());
    let builder = watchdog::Builder::new(health.clone()).heartbeat(HEARTBEAT_INTERVAL);
    let _watchdog = builder.start_on(runtime.handle().clone()).unwrap();
    pass(&health, 2.0);
    drop(runtime);
    std::thread::sleep(HEARTBEAT_INTERVAL * 5);
    assert_eq!((healthz(&health).0, total(&health, "health_wedged_total")), (200, 0.0));
}

#[test]
fn panicking_stacks_hook_is_counted() {
    let log = captured_log();
    let (runtime, health) = (runtime(), Health::new());
    let _watchdog = watchdog::Builder::new(health.clone())
        .heartbeat(Duration::from_millis(20))
        .missed(2)
        .stacks(|| panic!("as a hook may"))
        .start_on(runtime.handle().clone())
        .unwrap();
    let blocked = block(&runtime);
    until("the report", || log.text().contains("the hook panicked"));
    assert!(obs_guard::panics().any(|(place, _)| place == "health.watchdog_stacks"));
    blocked.store(false, Ordering::Release);
    until("alive again", || healthz(&health).0 == 200);
    runtime.shutdown_background();
}

#[test]
fn watchdog_outside_runtime_is_error_with_remedy() {
    let error = watchdog::Builder::new(Health::new()).start().unwrap_err().to_string();
    assert_eq!(error, "the watchdog needs a tokio runtime: call this inside one");
}

/// Not a test: what the tests below run as another process, as `WATCHDOG_CHILD` says.
#[test]
fn child() {
    let Ok(role) = std::env::var("WATCHDOG_CHILD") else { return };
    let (runtime, health) = (runtime(), Health::new());
    let mut builder = watchdog::Builder::new(health.clone()).heartbeat(Duration::from_millis(50));
    if role == "abort" {
        builder = builder.abort_after(5);
    }
    let _watchdog = builder.start_on(runtime.handle().clone()).unwrap();
    println!("\nstarted");
    if role == "abort" {
        for _ in 0..4 {
            runtime.spawn(async { std::thread::sleep(LONG) });
        }
        std::thread::sleep(LONG);
    }
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    pass(&health, 10.0);
    println!("\nwedged {}", total(&health, "health_wedged_total"));
}

fn spawn_child(role: &str) -> (std::process::Child, impl FnMut(&str) -> String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture"])
        .env("WATCHDOG_CHILD", role)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let wait_for = move |start: &str| {
        lines.find_map(|line| line.ok().filter(|line| line.starts_with(start))).unwrap_or_default()
    };
    (child, wait_for)
}

#[test]
fn stopped_process_is_not_wedged() {
    let (mut child, mut wait_for) = spawn_child("stopped");
    assert_eq!(wait_for("started"), "started");
    let process = rustix::process::Pid::from_child(&child);
    let signal = |signal| rustix::process::kill_process(process, signal).unwrap();
    for _ in 0..3 {
        signal(rustix::process::Signal::STOP);
        std::thread::sleep(Duration::from_millis(700));
        signal(rustix::process::Signal::CONT);
        std::thread::sleep(Duration::from_millis(60));
    }
    child.stdin.take().unwrap().write_all(b"now\n").unwrap();
    assert_eq!(wait_for("wedged"), "wedged 0");
    assert!(child.wait().unwrap().success());
}

#[test]
fn watchdog_with_abort_after_ends_process() {
    use std::os::unix::process::ExitStatusExt;
    let (mut child, mut wait_for) = spawn_child("abort");
    assert_eq!(wait_for("started"), "started");
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(6), "{status}");
}
