//! Counts instructions, which other load of the machine does not change.

use std::process::Command;

/// The program's own instructions by callgrind, started with these arguments; `None` without valgrind. Those
/// of one function and below alone, where a pattern of its name is given: on whichever thread it runs.
pub fn instructions(arguments: &[&str], function: Option<&str>) -> Option<u64> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    valgrind.args(function.map(|function| format!("--toggle-collect={function}")));
    let output = valgrind.arg(std::env::current_exe().ok()?).args(arguments).output().ok()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    let collected = stderr.lines().find_map(|line| line.split("Collected : ").nth(1));
    collected.and_then(|number| number.trim().parse().ok())
}
