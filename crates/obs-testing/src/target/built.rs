//! Small programs, compiled by the tests themselves with special flags.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// How many wait where `--cfg many` is among the flags.
pub const THREADS: usize = 2_000;

const SOURCE: &str = include_str!("program.rs.in");

/// A program and, once it runs, its process: it ends with this value.
#[derive(Debug)]
pub struct Built {
    folder: tempfile::TempDir,
    process: Option<Child>,
}

/// `None` where these flags cannot be compiled with, which is said.
pub fn build(flags: &[&str]) -> Option<Built> {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    let source = folder.path().join("program.rs");
    std::fs::write(&source, SOURCE).unwrap();
    let output = Command::new("rustc")
        .args(["--edition", "2024", "-A", "warnings", "-o"])
        .arg(folder.path().join("program"))
        .args(flags)
        .arg(&source)
        .output();
    match output {
        Ok(output) if output.status.success() => Some(Built { folder, process: None }),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(said.contains("target may not be installed"), "{said}");
            crate::impossible("the target is not installed (rustup target add)");
            None
        }
        Err(error) => {
            crate::skipped(format!("rustc: {error}"));
            None
        }
    }
}

/// Builds it and starts it.
pub fn start(flags: &[&str]) -> Option<Built> {
    let mut built = build(flags)?;
    built.run(|program: &Path| Command::new(program));
    Some(built)
}

impl Built {
    /// The executable.
    pub fn program(&self) -> PathBuf {
        self.folder.path().join("program")
    }

    /// Starts it by this command, and waits until its threads are where they stay.
    pub fn run(&mut self, command: impl FnOnce(&Path) -> Command) {
        let mut process = command(&self.program()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready");
        self.process = Some(process);
    }

    /// Of the process.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.process.as_ref().unwrap().id()).unwrap()
    }
}

impl Drop for Built {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
