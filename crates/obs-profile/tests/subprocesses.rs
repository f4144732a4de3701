//! Programs that start others: `--subprocesses`.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use obs_testing::target;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use nix::sys::ptrace;
use nix::unistd::Pid;
use serde_json::Value;

#[test]
fn child() {
    target::be_the_target();
}

/// A shell that runs `script`, in which `$TARGET` is this very program as a target; with all that it starts
/// it ends with this.
struct Shell(Child);

impl Shell {
    fn start(script: &str) -> Self {
        let target = std::env::current_exe().unwrap();
        let child = Command::new("setsid")
            .args(["sh", "-c", script])
            .env("TARGET", format!("{} --exact child --nocapture", target.display()))
            .env("OBS_PROFILING_TARGET", "1")
            .stdout(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // It leads a session of its own, and so a group.
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.0.id())]).status();
        let _ = self.0.wait();
    }
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

/// What `obs-profile` prints, once that holds of it; a minute is enough on any machine.
fn printed(arguments: &[&str], holds: impl Fn(&str) -> bool) -> Option<String> {
    for _ in 0..300 {
        let output = obs_profile(arguments);
        if is_denied(&output) {
            return None;
        }
        let text = String::from_utf8(output.stdout).unwrap();
        if output.status.success() && holds(&text) {
            return Some(text);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    unreachable!("{arguments:?} does not show it");
}

#[test]
fn dump_with_subprocesses_names_each_process() {
    let shell = Shell::start("$TARGET & sleep 600 & exec sh -c '$TARGET & wait'");
    let pid = shell.pid();
    let both = |text: &str| text.matches("\"waiter-3\"").count() == 2 && text.contains("\"sleep\"");
    let Some(text) = printed(&["dump", "--subprocesses", "--pid", &pid], both) else { return };
    assert!(text.starts_with(&format!("Process {pid} \"sh\"\n")), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("Process ")).count(), 4, "{text}");
    let json = obs_profile(&["dump", "--subprocesses", "--json", "--pid", &pid]).stdout;
    let json: Value = serde_json::from_slice(&json).unwrap();
    let processes = json["processes"].as_array().unwrap();
    let names: Vec<&str> = processes.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert!(names.first() == Some(&"sh") && names.contains(&"sleep"), "{names:?}");
    // Without, the shell alone.
    let alone = obs_profile(&["dump", "--pid", &pid]).stdout;
    assert!(!String::from_utf8(alone).unwrap().contains("waiter"));
}

#[test]
fn process_without_stacks_is_listed_with_reason() {
    // The shell becomes a program that never waits for what it had started.
    let shell = Shell::start("/bin/true & exec sleep 600");
    let zombie = |text: &str| text.contains("\"sleep\"") && text.contains("zombie");
    let pid = shell.pid();
    for more in [&["--all"][..], &["--nonstop"], &["--json"]] {
        let arguments = [&["dump", "--subprocesses", "--pid", &pid], more].concat();
        let Some(text) = printed(&arguments, zombie) else { return };
        assert!(text.contains("\"true\""), "{text}");
    }
}

#[test]
fn traced_process_is_listed_with_reason() {
    let shell = Shell::start("sleep 600 & wait");
    let pid = shell.pid();
    let arguments = ["dump", "--subprocesses", "--json", "--pid", &pid];
    let sleeps = |text: &str| text.contains("\"sleep\"");
    let Some(json) = printed(&arguments, sleeps) else { return };
    let json: Value = serde_json::from_str(&json).unwrap();
    let sleep = json["processes"][1]["pid"].as_i64().unwrap();
    let sleep = Pid::from_raw(i32::try_from(sleep).unwrap());
    ptrace::seize(sleep, ptrace::Options::empty()).unwrap();
    let json: Value = serde_json::from_slice(&obs_profile(&arguments).stdout).unwrap();
    let traced = &json["processes"][1];
    assert_eq!(traced["name"], "sleep");
    assert!(traced["error"].as_str().unwrap().contains("traces it"), "{traced}");
    assert!(json["processes"][0]["threads"][0]["frames"].is_array(), "{json}");
}

/// A second of samples of a shell and its processes, as folded stacks.
fn recorded(before: &[&str], after: &[&str]) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cpu.folded");
    let output = ["-o", file.to_str().unwrap(), "--rate", "499"];
    let ran = obs_profile(&[&["record"], before, &output, after].concat());
    if is_denied(&ran) {
        return None;
    }
    assert!(ran.status.success(), "{ran:?}");
    Some(std::fs::read_to_string(&file).unwrap())
}

/// The first frame of those lines, which is the process where there are several.
fn processes<'a>(folded: &'a str, function: &str) -> Vec<&'a str> {
    let lines = folded.lines().filter(|line| line.contains(function));
    let mut processes: Vec<&str> = lines.map(|line| line.split(';').next().unwrap()).collect();
    processes.sort_unstable();
    processes.dedup();
    processes
}

#[test]
fn running_and_later_subprocesses_are_sampled_and_named() {
    let begin = tempfile::tempdir().unwrap();
    let begin = begin.path().join("begin");
    // A child of the shell, a grandchild, and one that starts when the recording runs.
    let script = format!(
        "$TARGET & sh -c '$TARGET & wait' & while ! [ -e {} ]; do sleep 0.1; done; $TARGET & wait",
        begin.display()
    );
    let shell = Shell::start(&script);
    let pid = shell.pid();
    let both = |text: &str| text.matches("\"burner\"").count() == 2;
    let dump = ["dump", "--subprocesses", "--pid", &pid];
    let Some(_) = printed(&dump, both) else { return };
    std::fs::write(&begin, "").unwrap();
    let duration = ["--duration", "6"];
    let Some(folded) = recorded(&["--subprocesses", "--pid", &pid], &duration) else { return };
    let burners = processes(&folded, ";burner;");
    assert_eq!(burners.len(), 3, "{burners:?}\n{folded}");
    assert!(burners.iter().all(|name| name.starts_with("subprocesses")), "{burners:?}");
    for line in folded.lines().filter(|line| line.contains(";burner;")) {
        assert!(!line.contains("0x"), "a function without its name: {line}");
    }
    // Without, only the shell's own time.
    let Some(alone) = recorded(&["--pid", &pid], &["--duration", "0.3"]) else { return };
    assert!(!alone.contains("burner"), "{alone}");
}

#[test]
fn subprocesses_of_command_are_sampled() {
    // The second shell takes the place of the first one's child: the one `exec`s, the other does not.
    let script = "burn() { i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; }; \
                  (burn; true); sh -c 'exec sha256sum /dev/zero' & sleep 1; kill $!";
    let Some(folded) = recorded(&["--subprocesses"], &["--", "sh", "-c", script]) else { return };
    let all: Vec<&str> = processes(&folded, ";");
    let sum: Vec<&&str> = all.iter().filter(|name| name.starts_with("sha256sum (")).collect();
    assert_eq!(sum.len(), 1, "{folded}");
    // The subshell burns, the shell itself waits.
    assert!(all.iter().any(|name| name.starts_with("sh (")), "{folded}");
    // Symbols of a process that has ended are those of its own program.
    let line = folded.lines().find(|line| line.starts_with("sha256sum (")).unwrap();
    assert!(line.contains(";sha256sum;"), "{line}");
    let unsampled = recorded(&[], &["--", "sh", "-c", script]).unwrap();
    assert!(!unsampled.contains("sha256sum"), "{unsampled}");
}

#[test]
fn own_process_is_left_out_of_dump() {
    let script =
        format!("{} dump --subprocesses --pid $$; exit $?", env!("CARGO_BIN_EXE_obs-profile"));
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    if is_denied(&output) {
        return;
    }
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("\"sh\""), "{text}");
    assert!(!text.contains("obs-profile"), "{text}");
}
