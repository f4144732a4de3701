//! Processes of another user, and of the same one without any privilege.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::fs;
use std::path::Path;
use std::process::Command;

use obs_testing::impossible;
use obs_testing::target::{build, start};

/// The program, run by nobody: with `setpriv` it has no capability and no way to get one.
fn as_nobody(program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"]);
    command.args(["--inh-caps=-all", "--"]).arg(program).args(arguments);
    command
}

fn may_become_nobody() -> bool {
    let ran = as_nobody(Path::new("true"), &[]).output();
    let may = ran.is_ok_and(|output| output.status.success());
    if !may {
        impossible("only root can become another user");
    }
    may
}

/// A copy of `obs-profile` that everybody can execute.
fn for_everybody(folder: &Path) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
    let program = folder.join("obs-profile");
    fs::copy(env!("CARGO_BIN_EXE_obs-profile"), &program).unwrap();
    program
}

#[test]
fn process_of_other_user_is_denied_with_remedy() {
    if !may_become_nobody() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = for_everybody(folder.path());
    let Some(built) = start(&["-C", "opt-level=3"]) else { return };
    let pid = built.pid().to_string();
    let svg = folder.path().join("flame.svg");
    let record = ["record", "-o", svg.to_str().unwrap(), "--pid", &pid];
    for verb in [&["dump", "--pid", &pid][..], &["dump", "--nonstop", "--pid", &pid], &record] {
        let output = as_nobody(&program, verb).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.lines().count() == 1, "{said}");
        assert!(said.contains("CAP_"), "{said}");
    }
    assert!(!svg.exists());
}

#[test]
fn process_of_same_user_needs_no_capability() {
    let paranoid = fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").unwrap_or_default();
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    if paranoid.trim().parse().unwrap_or(9) > 2 || !matches!(scope.trim(), "" | "0") {
        return impossible(
            "perf_event_paranoid or ptrace_scope keep users from their own processes",
        );
    }
    if !may_become_nobody() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = for_everybody(folder.path());
    let Some(mut built) = build(&["-C", "opt-level=3"]) else { return };
    built.run(|program| as_nobody(program, &[]));
    let pid = built.pid().to_string();
    let dump = as_nobody(&program, &["dump", "--pid", &pid]).output().unwrap();
    let said = String::from_utf8(dump.stdout).unwrap();
    assert!(
        said.contains("waits_for_ever") && !said.contains("missing"),
        "{said}{:?}",
        dump.stderr
    );
    let file = folder.path().join("cpu.folded");
    let arguments = ["record", "-d", "3", "-o", file.to_str().unwrap(), "--pid", &pid];
    let output = as_nobody(&program, &arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(fs::read_to_string(&file).unwrap().contains("burns_for_ever"));
}
