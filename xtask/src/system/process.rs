//! A child process whose lines are kept, and which never outlives this one.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::error::{During, Failure};
use crate::system::until;

/// A program that runs.
pub(crate) struct Service {
    pub(crate) name: &'static str,
    child: Child,
    lines: Arc<Mutex<Vec<Line>>>,
    errors: Arc<Mutex<String>>,
    readers: Vec<std::thread::JoinHandle<()>>,
}

/// A line of its standard output.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) text: String,
    /// The line as JSON; `null` when it is none.
    pub(crate) json: Value,
}

impl Service {
    /// Starts a program with these variables; every line of its output is kept, and sent to `forward`.
    pub(crate) fn start(
        name: &'static str,
        program: &Path,
        arguments: &[String],
        variables: &[(&str, String)],
        forward: Option<mpsc::Sender<(&'static str, String)>>,
    ) -> Result<Self, Failure> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for (name, value) in variables {
            command.env(name, value);
        }
        let mut child = command.spawn().during(format!("{name} cannot be started"))?;
        let lines: Arc<Mutex<Vec<Line>>> = Arc::default();
        let errors: Arc<Mutex<String>> = Arc::default();
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            let lines = Arc::clone(&lines);
            readers.push(std::thread::spawn(move || {
                for text in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if let Some(forward) = &forward {
                        let _ = forward.send((name, text.clone()));
                    }
                    let json = serde_json::from_str(&text).unwrap_or_default();
                    locked(&lines).push(Line { text, json });
                }
            }));
        }
        if let Some(mut stderr) = child.stderr.take() {
            let errors = Arc::clone(&errors);
            readers.push(std::thread::spawn(move || {
                let mut chunk = [0; 4096];
                while let Ok(length @ 1..) = stderr.read(&mut chunk) {
                    locked(&errors).push_str(&String::from_utf8_lossy(&chunk[..length]));
                }
            }));
        }
        Ok(Self { name, child, lines, errors, readers })
    }

    /// The lines so far.
    pub(crate) fn lines(&self) -> Vec<Line> {
        locked(&self.lines).clone()
    }

    /// What it wrote to standard error so far.
    pub(crate) fn errors(&self) -> String {
        locked(&self.errors).clone()
    }

    /// Waits for the first line that `pick` takes something of; fails when the program ends first.
    pub(crate) fn wait_for_line<T>(
        &mut self,
        what: &str,
        mut pick: impl FnMut(&Line) -> Option<T>,
    ) -> Result<T, Failure> {
        let mut seen = 0;
        let mut ended = None;
        let found = until(&format!("{} {what}", self.name), Duration::from_secs(120), || {
            let mut gone = self.child.try_wait().ok().flatten();
            // Its last lines may still be in the pipe.
            if self.readers.iter().any(|reader| !reader.is_finished()) {
                gone = None;
            }
            let lines = self.lines();
            let found = lines[seen..].iter().find_map(&mut pick);
            seen = lines.len();
            match (found, gone) {
                (Some(found), _) => Some(Some(found)),
                (None, Some(status)) => {
                    ended = Some(status);
                    Some(None)
                }
                (None, None) => None,
            }
        })?;
        found.ok_or_else(|| {
            let status = ended.map(|status| status.to_string()).unwrap_or_default();
            Failure::new(format!("{} ended ({status}): {}", self.name, self.errors().trim()))
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            let _ = kill_process(pid, signal);
        }
    }

    /// Ends its standard input.
    pub(crate) fn close_input(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Waits for its end and for its last line.
    pub(crate) fn wait(&mut self, most: Duration) -> Result<ExitStatus, Failure> {
        let what = format!("{} ends", self.name);
        let status = until(&what, most, || self.child.try_wait().ok().flatten())?;
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        Ok(status)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
