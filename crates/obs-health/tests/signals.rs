//! The first signal drains, the second hurries, the third exits: in a process of its own.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed test is a panic"
)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use obs_health::Health;
use obs_health::lifecycle::{Deadlines, Flushed, Lifecycle, Stage};
use rustix::process::{Pid, Signal, kill_process};

/// Not a test: a service that would drain for ten minutes, and whose flush takes as `SIGNALS_CHILD` says.
#[test]
fn child() {
    let Ok(flush) = std::env::var("SIGNALS_CHILD") else { return };
    let flush = Duration::from_secs(flush.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut deadlines = Deadlines::production();
        deadlines.propagation = Duration::from_secs(600);
        let lifecycle = Lifecycle::new(Health::new(), deadlines);
        lifecycle.watch_signals().unwrap();
        lifecycle.on_flush(Stage::Traces, move |deadline| {
            println!("\nflushing within {deadline:?}");
            std::thread::sleep(flush);
            Flushed::default()
        });
        let draining = lifecycle.draining();
        tokio::spawn(async move {
            draining.cancelled().await;
            println!("\ndraining");
        });
        println!("\nstarted");
        lifecycle.run().await;
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
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let wait_for = move |start: &str| {
        lines.find_map(|line| line.ok().filter(|line| line.starts_with(start))).unwrap_or_default()
    };
    (child, wait_for)
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn a_second_signal_goes_to_the_flushes_at_once() {
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
fn a_third_signal_exits() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let (mut child, mut wait_for) = start("60");
        assert_eq!(wait_for("started"), "started");
        send(&child, Signal::TERM);
        assert_eq!(wait_for("draining"), "draining");
        send(&child, Signal::TERM);
        assert!(wait_for("flushing").starts_with("flushing"));
        send(&child, signal);
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
}
