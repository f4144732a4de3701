//! A process in namespaces of its own, as containers have, looked into from outside.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use obs_profiling::{Method, Recording, dump, record};
use obs_testing::impossible;
use obs_testing::target::{Built, build};

/// With its own users, processes and mounts; ended with the command.
fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child"]);
    command.arg("--mount-proc");
    command
}

/// The program's id out here; inside it is 1. `None` where there are no namespaces, which is said.
fn contained() -> Option<(Built, i32)> {
    let tried = unshare().arg("true").output();
    if !tried.is_ok_and(|output| output.status.success()) {
        impossible("unshare (util-linux) may not make namespaces here");
        return None;
    }
    let mut built = build(&["-C", "opt-level=3", "-C", "debuginfo=1"])?;
    // The program is on a file system that only it has mounted, under a path that has another file out here.
    built.run(|program| {
        let folder = program.parent().unwrap();
        std::fs::create_dir(folder.join("own")).unwrap();
        std::fs::write(folder.join("own/service"), "another file").unwrap();
        let mut command = unshare();
        let script = "mount -t tmpfs none own && cp program own/service && exec ./own/service";
        command.args(["sh", "-c", script]).current_dir(folder);
        command
    });
    let pid = child_of(built.pid()).unwrap();
    Some((built, pid))
}

fn child_of(parent: i32) -> Option<i32> {
    let processes = std::fs::read_dir("/proc").unwrap();
    let mut pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.find(|pid: &i32| {
        let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
        let stat = stat.unwrap_or_default();
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        rest.split_whitespace().nth(1) == Some(&parent.to_string())
    })
}

#[test]
fn dump_from_outside_namespace_is_whole_and_named() {
    let Some((_built, pid)) = contained() else { return };
    for method in [Method::Stop, Method::Nonstop] {
        let dump = match dump(pid, method) {
            Ok(dump) => dump,
            Err(error) if error.is_denied() => return impossible(error),
            Err(error) => panic!("{error}"),
        };
        let waiter = dump.threads.iter().find(|thread| thread.name == "waiter").unwrap();
        let stack = waiter.stack.as_ref().unwrap();
        let own = stack.frames.iter().find(|frame| frame.function.contains("waits_for_ever"));
        assert!(stack.is_complete, "{dump}");
        assert!(own.is_some_and(|frame| frame.place.is_some()), "{dump}");
    }
}

#[test]
fn recording_from_outside_namespace_names_functions() {
    let Some((_built, pid)) = contained() else { return };
    let recording = Recording { rate: 199, duration: Duration::from_secs(300) };
    let profile = match record(pid, recording, |progress| progress.samples < 50) {
        Ok(profile) => profile,
        Err(error) if error.is_denied() => return impossible(error),
        Err(error) => panic!("{error}"),
    };
    let functions = profile.functions();
    assert!(functions.iter().any(|it| it.0.contains("burns_for_ever")), "{functions:?}");
    assert!(profile.truncated() * 10 < profile.total(), "{functions:?}");
    assert!(profile.samples.iter().any(|sample| sample.thread == "burner"));
}
