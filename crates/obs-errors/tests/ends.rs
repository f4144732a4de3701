//! How a process may end, and what is told of it: in processes of their own.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed test is a panic"
)]

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use obs_errors::{Builder, Outcome, Report};
use tracing_subscriber::layer::SubscriberExt;

const WHICH: &str = "OBS_ERRORS_TEST_END";

/// Panics again while it is dropped.
struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        panic!("in a destructor");
    }
}

/// What the child does: reports go to its standard output, slowly.
fn child(which: &str) {
    let sink = |report: &Report| {
        std::thread::sleep(Duration::from_millis(100));
        let said = report.chain.first().map_or(&report.message, |cause| &cause.message);
        let mut out = std::io::stdout().lock();
        writeln!(out, "told: {said}").unwrap();
        Outcome::Delivered
    };
    let (layer, errors) = Builder::new("orders").environment(|_| None).sink(sink).build().unwrap();
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::set_global_default(subscriber).unwrap();
    errors.install_panic_hook();
    // The program's debug information is read once; on a busy machine that takes longer than an exit waits.
    tracing::error!("first of all");
    assert!(errors.flush(Duration::from_secs(60)).complete());
    match which {
        "exit" => {
            tracing::error!("before the exit");
            std::process::exit(3);
        }
        "drop" => tracing::error!("before the handle is dropped"),
        "thread" => {
            std::thread::spawn(|| panic!("in a thread")).join().unwrap_err();
        }
        "main" => {
            let _errors = errors;
            panic!("in main");
        }
        "double" => {
            let _second = PanicsInDrop;
            panic!("the first");
        }
        "nounwind" => {
            extern "C" fn never_unwinds() {
                panic!("in a function that cannot unwind");
            }
            never_unwinds();
        }
        other => panic!("no such end: {other}"),
    }
}

#[test]
fn errors_are_reported_at_each_end_of_process() {
    if let Ok(which) = std::env::var(WHICH) {
        return child(&which);
    }
    for (which, told) in [
        ("exit", &["before the exit"][..]),
        ("drop", &["before the handle is dropped"]),
        ("thread", &["in a thread"]),
        ("main", &["in main"]),
        ("double", &["the first", "in a destructor"]),
        ("nounwind", &["in a function that cannot unwind"]),
    ] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--nocapture", "errors_are_reported_at_each_end_of_process"])
            .env(WHICH, which)
            .stderr(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        for message in told {
            assert!(said.contains(&format!("told: {message}")), "{which}: {said}");
        }
        if which == "exit" {
            assert_eq!(output.status.code(), Some(3));
        }
    }
}
