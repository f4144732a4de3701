//! `obs-profile top`, through a terminal and as text.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use obs_testing::target::{self, Target};

const WAIT_TIMEOUT: Duration = Duration::from_secs(120);
const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";

#[test]
fn child() {
    target::be_the_target();
}

/// A program in a terminal of its own.
struct Session {
    program: Child,
    terminal: File,
    shown: String,
}

impl Session {
    fn start(target: &Target) -> Self {
        let size = Winsize { ws_row: 24, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        let ends = openpty(&size, None).unwrap();
        let end = || Stdio::from(ends.slave.try_clone().unwrap());
        let program = Command::new(env!("CARGO_BIN_EXE_obs-profile"))
            .args(["top", "--delay", "0.3", "--rate", "499", "--pid", &target.pid().to_string()])
            .env("TERM", "xterm-256color")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        Self { program, terminal: ends.master.into(), shown: String::new() }
    }

    /// Reads until this has been shown since the last call; `false` when the program ended before, or
    /// shows other things only.
    fn wait_for(&mut self, text: &str) -> bool {
        let mut bytes = [0; 4096];
        let begun = Instant::now();
        while !self.shown.contains(text) {
            if begun.elapsed() > WAIT_TIMEOUT {
                self.program.kill().unwrap();
                return false;
            }
            match self.terminal.read(&mut bytes) {
                Ok(count @ 1..) => self.shown += &String::from_utf8_lossy(&bytes[..count]),
                // The program has closed its end.
                _ => return false,
            }
        }
        true
    }

    fn press(&mut self, keys: &str) {
        self.shown.clear();
        self.terminal.write_all(keys.as_bytes()).unwrap();
    }

    /// What was shown to the end; whether the program ended well.
    fn end(mut self) -> (String, bool) {
        assert!(!self.wait_for("\0"));
        (self.shown, self.program.wait().unwrap().success())
    }
}

/// A session that shows the target's functions; `None` where the system does not let us, which is said.
fn session(target: &Target) -> Option<Session> {
    let mut session = Session::start(target);
    if !session.wait_for("two_parts") {
        let shown: String = session.shown.chars().take(3000).collect();
        assert!(shown.contains("not allowed"), "{shown:?}");
        obs_testing::skipped(&session.shown);
        return None;
    }
    Some(session)
}

#[test]
fn keys_are_handled_and_terminal_is_restored() {
    let target = Target::start();
    let Some(mut session) = session(&target) else { return };
    assert!(session.shown.contains(ENTER));
    session.press("p");
    assert!(session.wait_for("[paused]"));
    session.press("pT\x1b[B\x1b[Ar");
    assert!(session.wait_for("\x1b["));
    session.press("q");
    let (shown, ended_well) = session.end();
    assert!(ended_well && shown.contains(LEAVE), "{shown}");
}

#[test]
fn signal_restores_terminal() {
    let target = Target::start();
    let Some(session) = session(&target) else { return };
    let pid = i32::try_from(session.program.id()).unwrap();
    kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
    let (shown, ended_well) = session.end();
    assert!(ended_well && shown.contains(LEAVE), "{shown}");
}

#[test]
fn end_of_process_ends_top() {
    let mut target = Target::start();
    let Some(session) = session(&target) else { return };
    target.kill();
    target.wait();
    let (shown, ended_well) = session.end();
    let (_, after) = shown.rsplit_once(LEAVE).unwrap();
    assert!(ended_well && after.contains("has ended"), "{shown}");
}

#[test]
fn top_without_terminal_is_error_with_remedy() {
    let target = Target::start();
    let pid = target.pid().to_string();
    let top = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_obs-profile"));
        command.args(["top", "--pid", &pid]).args(arguments).output().unwrap()
    };
    let refused = top(&[]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains("--batch"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    let tables = top(&["--batch", "-n", "2", "-d", "2", "-r", "499"]);
    if is_not_allowed(&tables.stderr) {
        return;
    }
    let tables = String::from_utf8(tables.stdout).unwrap();
    assert_eq!(tables.matches("FUNCTION").count(), 2, "{tables}");
    assert!(tables.contains("two_parts") && tables.contains("burner"), "{tables}");
}

fn is_not_allowed(said: &[u8]) -> bool {
    let said = String::from_utf8_lossy(said);
    let denied = said.contains("not allowed");
    if denied {
        obs_testing::skipped(&said);
    }
    denied
}
