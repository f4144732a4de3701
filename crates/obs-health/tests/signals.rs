//! The first signal drains, the second hurries, the third exits: in a process of its own.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed test is a panic"
)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use obs_health::Health;
use obs_health::lifecycle::{Deadlines, FlushStage, Flushed, Lifecycle};
use rustix::process::{Pid, Signal, kill_process};

/// Not a test: a service that would drain for ten minutes, and whose flush takes as `SIGNALS_CHILD` says.
#[test]
fn child() {
    let Ok(flush) = std::env::var("SIGNALS_CHILD") else { return };
    let mut deadlines = Deadlines::production();
    deadlines.propagation = Duration::from_secs(600);
    deadlines.grace_period = Duration::from_secs(3600);
    let lifecycle = Lifecycle::new(Health::new(), deadlines);
    lifecycle.watch_signals().unwrap();
    if flush == "early" {
        println!("\nwatching");
        std::io::stdin().read_line(&mut String::new()).unwrap();
    }
    let calls = flush == "calls";
    let flush = Duration::from_secs(flush.parse().unwrap_or_default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let drained = Arc::new(Mutex::new(None::<Instant>));
        let drains = Arc::clone(&drained);
        lifecycle.on_flush(FlushStage::Traces, move |deadline| {
            println!("\nflushing within {deadline:?}");
            let drained = drained.lock().unwrap().map(|at| at.elapsed().as_millis());
            println!("\ndrained for {}", drained.unwrap_or_default());
            std::thread::sleep(flush);
            Flushed::default()
        });
        let draining = lifecycle.draining();
        let called = lifecycle.clone();
        tokio::spawn(async move {
            draining.cancelled().await;
            if calls {
                called.shut_down(); // as a handler of the application's own does
            }
            *drains.lock().unwrap() = Some(Instant::now());
            println!("\ndraining");
        });
        let running = tokio::spawn(lifecycle.run());
        tokio::task::yield_now().await;
        println!("\nstarted");
        running.await.unwrap();
        if !flush.is_zero() {
            std::future::pending::<()>().await; // a third signal ends it, however late it comes
        }
    });
    println!("\nended");
}

fn start(flush: &str) -> (Child, impl FnMut(&str) -> String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture"])
        .env("SIGNALS_CHILD", flush)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let wait_for = move |start: &str| {
        lines.find_map(|line| line.ok().filter(|line| line.starts_with(start))).unwrap_or_default()
    };
    (child, wait_for)
}

/// Longer than the time in which the same signal counts once.
const REPEAT: Duration = Duration::from_millis(1_100);

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn second_signal_skips_to_flushes() {
    let (mut child, mut wait_for) = start("0");
    assert_eq!(wait_for("started"), "started");
    send(&child, Signal::TERM);
    assert_eq!(wait_for("draining"), "draining");
    send(&child, Signal::INT);
    let flushing = wait_for("flushing");
    assert!(flushing == "flushing within 1s" || flushing.ends_with("ms"), "{flushing}");
    assert_eq!(wait_for("ended"), "ended");
    assert!(child.wait().unwrap().success());
}

#[test]
fn third_signal_exits() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let (mut child, mut wait_for) = start("60");
        assert_eq!(wait_for("started"), "started");
        send(&child, Signal::TERM);
        assert_eq!(wait_for("draining"), "draining");
        std::thread::sleep(REPEAT);
        send(&child, Signal::TERM);
        assert!(wait_for("flushing").starts_with("flushing"));
        std::thread::sleep(REPEAT);
        send(&child, signal);
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
}

#[test]
fn same_signal_within_one_second_counts_once() {
    let (mut child, mut wait_for) = start("0");
    assert_eq!(wait_for("started"), "started");
    let first = Instant::now();
    for _ in 0..5 {
        send(&child, Signal::TERM);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(wait_for("draining"), "draining");
    std::thread::sleep(REPEAT.saturating_sub(first.elapsed()));
    assert_eq!(child.try_wait().unwrap(), None, "it still waits for the propagation");
    send(&child, Signal::TERM);
    assert!(wait_for("flushing").starts_with("flushing"));
    // Since the draining, as the child counts it: not at once.
    let waited: u64 = wait_for("drained for").rsplit(' ').next().unwrap().parse().unwrap();
    assert!(waited >= 500, "{waited} ms");
    assert!(child.wait().unwrap().success());
}

#[test]
fn signal_and_call_of_its_handler_are_one_request() {
    let (mut child, mut wait_for) = start("calls");
    assert_eq!(wait_for("started"), "started");
    send(&child, Signal::TERM);
    assert_eq!(wait_for("draining"), "draining");
    std::thread::sleep(REPEAT);
    assert_eq!(child.try_wait().unwrap(), None, "it still waits for the propagation");
    send(&child, Signal::TERM);
    assert!(wait_for("flushing").starts_with("flushing"));
    let waited: u64 = wait_for("drained for").rsplit(' ').next().unwrap().parse().unwrap();
    assert!(waited >= 500, "{waited} ms");
    assert!(child.wait().unwrap().success());
}

#[test]
fn signal_before_serving_shuts_down_without_propagation() {
    let (mut child, mut wait_for) = start("early");
    assert_eq!(wait_for("watching"), "watching");
    send(&child, Signal::TERM);
    std::thread::sleep(Duration::from_millis(50));
    drop(child.stdin.take()); // lets it go on to `run`
    assert_eq!(wait_for("ended"), "ended", "without a wait of 600 s for the propagation");
    assert!(child.wait().unwrap().success());
}

#[test]
fn signal_to_process_without_server_ends_process() {
    for second in [false, true] {
        let (mut child, mut wait_for) = start("early");
        assert_eq!(wait_for("watching"), "watching");
        let held = child.stdin.take(); // `wait` would close it
        send(&child, Signal::INT);
        if second {
            std::thread::sleep(REPEAT);
            send(&child, Signal::TERM);
        }
        let code = child.wait().unwrap().code();
        assert!(code == Some(130) || second && code == Some(143), "{code:?}");
        drop(held);
    }
}
