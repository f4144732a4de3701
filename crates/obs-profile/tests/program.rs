//! `obs-profile` as its users start it.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use obs_testing::target::{self, Target};

#[test]
fn child() {
    target::be_the_target();
}

fn obs_profile(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_obs-profile")).args(arguments).output().unwrap()
}

/// Whether the system does not let us look, which is said.
fn is_denied(output: &Output) -> bool {
    let said = String::from_utf8_lossy(&output.stderr);
    let denied = said.contains("not allowed");
    if denied {
        obs_testing::skipped(said);
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
    let frames = waiter["frames"].as_array().unwrap();
    let frame = frames.iter().find(|frame| is_named(frame, "waits_for_ever")).unwrap();
    let digits = |name: &str| frame[name].as_str().unwrap().strip_prefix("0x").unwrap().to_owned();
    let address = |name: &str| u64::from_str_radix(&digits(name), 16).unwrap();
    // A program that may lie anywhere has its file's addresses lower down.
    assert!(address("file_address") <= address("address"), "{frame}");
}

fn is_named(frame: &serde_json::Value, name: &str) -> bool {
    frame["function"].as_str().unwrap().contains(name)
}

#[test]
fn record_samples_command_to_end() {
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

/// `record` of a shell script, with the recorded file.
fn record_script(options: &[&str], script: &str) -> (Output, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cpu.folded");
    let mut arguments = vec!["record", "-o", file.to_str().unwrap()];
    arguments.extend(options);
    arguments.extend(["--", "sh", "-c", script]);
    let output = obs_profile(&arguments);
    (output, std::fs::read_to_string(&file).unwrap_or_default())
}

#[test]
fn record_returns_exit_code_of_command() {
    let (output, _) = record_script(&[], "exit 7");
    if !is_denied(&output) {
        assert_eq!(output.status.code(), Some(7), "{output:?}");
        let (output, _) = record_script(&[], "kill -TERM $$");
        assert_eq!(output.status.code(), Some(128 + 15), "{output:?}");
        // The recording is over long before the command.
        let (output, _) = record_script(&["-d", "0.2"], "sleep 1; exit 5");
        assert_eq!(output.status.code(), Some(5), "{output:?}");
    }
}

#[test]
fn record_samples_command_from_first_instruction() {
    let mut seen = String::new();
    // One start is a matter of a millisecond or less.
    for _ in 0..20 {
        let (output, folded) = record_script(&["--rate", "10000"], "exit 0");
        if is_denied(&output) {
            return;
        }
        seen += &folded;
    }
    // The dynamic linker is at work before the program is.
    assert!(seen.contains("sh;") && seen.contains("_dl_"), "{seen}");
}

#[test]
fn signals_are_forwarded_to_command() {
    for (signal, code) in [(Signal::SIGTERM, 4), (Signal::SIGINT, 9)] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cpu.folded");
        let ready = folder.path().join("ready");
        let script = format!(
            "trap 'exit 4' TERM; trap 'exit 9' INT; touch {}; while :; do sleep 0.02; done",
            ready.display()
        );
        // Without a terminal, so that no Ctrl-C could have reached the command by itself.
        let mut recording = Command::new("setsid")
            .arg(env!("CARGO_BIN_EXE_obs-profile"))
            .args(["record", "-o", file.to_str().unwrap(), "--", "sh", "-c", &script])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        while !ready.exists() {
            if recording.try_wait().unwrap().is_some() {
                assert!(is_denied(&recording.wait_with_output().unwrap()));
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        kill(Pid::from_raw(i32::try_from(recording.id()).unwrap()), signal).unwrap();
        let output = recording.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(file.exists(), "what was recorded is kept: {output:?}");
    }
}

#[test]
fn failed_recording_keeps_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old.svg"), folder.path().join("new.svg"));
    std::fs::write(&old, "of yesterday").unwrap();
    for file in [&old, &new] {
        let output = obs_profile(&["record", "-o", file.to_str().unwrap(), "--pid", "999999999"]);
        assert!(!output.status.success());
    }
    assert_eq!(std::fs::read_to_string(&old).unwrap(), "of yesterday");
    assert!(!new.exists());
    let target = Target::start();
    let pid = target.pid().to_string();
    let file = old.to_str().unwrap();
    let output = obs_profile(&["record", "-d", "0.3", "-o", file, "--pid", &pid]);
    if !is_denied(&output) {
        let written = std::fs::read_to_string(&old).unwrap();
        assert!(written.contains("<svg") && written.trim_end().ends_with("</svg>"));
    }
}

#[test]
fn wrong_arguments_are_one_line_with_remedy() {
    let gone = obs_profile(&["dump", "--pid", "999999999"]);
    let said = String::from_utf8_lossy(&gone.stderr).into_owned();
    assert!(!gone.status.success() && said.contains("there is no process"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    let often = obs_profile(&["record", "-o", "cpu.svg", "--rate", "0", "--pid", "1"]);
    assert!(!often.status.success() && !std::path::Path::new("cpu.svg").exists());
    let format = obs_profile(&["record", "-o", "cpu.txt", "--pid", "1"]);
    let said = String::from_utf8_lossy(&format.stderr).into_owned();
    assert!(!format.status.success() && said.contains(".pb.gz"), "{said}");
    assert!(!std::path::Path::new("cpu.txt").exists());
}

#[test]
fn output_to_full_disk_fails_and_to_closed_pipe_succeeds() {
    let target = Target::start();
    let pid = target.pid().to_string();
    let dump = ["dump", "--nonstop", "--pid", &pid];
    let json = ["dump", "--nonstop", "--json", "--pid", &pid];
    let top = ["top", "--batch", "--count", "1", "--pid", &pid];
    for arguments in [&dump[..], &json, &top] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_obs-profile"));
        let ended = command.args(arguments).stdout(full).output().unwrap();
        if is_denied(&ended) {
            return;
        }
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(!ended.status.success(), "{arguments:?} has lost what it printed");
        assert!(said.contains("standard output") && said.contains("free its disk"), "{said}");

        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_obs-profile"));
        let ended = command.args(arguments).stdout(writer).output().unwrap();
        assert!(
            ended.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&ended.stderr)
        );
    }
}

#[test]
fn processes_without_stacks_are_explained() {
    let mut zombie = Command::new("true").spawn().unwrap();
    let pid = zombie.id().to_string();
    let stat = format!("/proc/{pid}/stat");
    while !std::fs::read_to_string(&stat).unwrap().contains(") Z ") {
        std::thread::sleep(Duration::from_millis(5));
    }
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("a.svg");
    let output = output.to_str().unwrap();
    for arguments in [&["dump", "--pid", &pid][..], &["record", "--pid", &pid, "-o", output]] {
        let said = String::from_utf8(obs_profile(arguments).stderr).unwrap();
        assert!(said.contains("has ended") && said.contains("zombie"), "{said}");
    }
    zombie.wait().unwrap();

    // kthreadd is the parent of all of them; a container does not see it.
    if std::fs::read_to_string("/proc/2/comm").is_ok_and(|name| name.trim() == "kthreadd") {
        let said = String::from_utf8(obs_profile(&["dump", "--pid", "2"]).stderr).unwrap();
        assert!(said.contains("thread of the kernel"), "{said}");
    }
}
