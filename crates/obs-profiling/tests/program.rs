//! `obs-profile` as its users start it.

#![cfg(all(target_os = "linux", feature = "program"))]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a failed test is a panic")]

mod common;

use std::process::{Command, Output};

use common::Target;

#[test]
fn child() {
    common::be_the_target();
}

fn obs_profile(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_obs-profile")).args(arguments).output().unwrap()
}

/// Whether the system does not let us look, which is said.
fn is_denied(output: &Output) -> bool {
    let said = String::from_utf8_lossy(&output.stderr);
    let denied = said.contains("not allowed");
    if denied {
        println!("skipped: {said}");
    }
    denied
}

#[test]
fn dump_prints_stacks_and_json() {
    let target = Target::start();
    let pid = target.pid().to_string();
    let text = obs_profile(&["dump", "--pid", &pid]);
    if is_denied(&text) {
        return;
    }
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("\"waiter-3\"") && text.contains("waits_for_ever"), "{text}");
    let json = obs_profile(&["dump", "--json", "--nonstop", "--pid", &pid]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let threads = json["threads"].as_array().unwrap();
    let waiter = threads.iter().find(|thread| thread["name"] == "waiter-3").unwrap();
    assert_eq!(waiter["complete"], true);
    assert_eq!(waiter["stopped_us"], 0.0);
}

#[test]
fn record_samples_a_command_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flame.svg");
    let script = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
    let arguments =
        ["record", "-o", file.to_str().unwrap(), "--rate", "499", "--", "sh", "-c", script];
    let output = obs_profile(&arguments);
    if is_denied(&output) {
        return;
    }
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("samples in"), "{said}");
    assert!(std::fs::read_to_string(&file).unwrap().contains("<svg"));
}

#[test]
fn mistakes_are_one_line_with_a_remedy() {
    let gone = obs_profile(&["dump", "--pid", "999999999"]);
    let said = String::from_utf8_lossy(&gone.stderr).into_owned();
    assert!(!gone.status.success() && said.contains("there is no process"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    let format = obs_profile(&["record", "-o", "cpu.txt", "--pid", "1"]);
    let said = String::from_utf8_lossy(&format.stderr).into_owned();
    assert!(!format.status.success() && said.contains(".pb.gz"), "{said}");
    assert!(!std::path::Path::new("cpu.txt").exists());
}
