//! `obs-console run`: starts programs, and keeps their output.

mod environment;
mod lines;
mod output;
mod signals;

pub use signals::Signals;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::Error;
use crate::console::Running;
use crate::scrape::Target;
use environment::{default_name, free_address, is_set, variables};

/// How long the other programs may take to end after the first one before they are killed.
const TERMINATE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait for the output of an ended program: a child process may still hold it.
const OUTPUT_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a missing admin server is tried.
const CONNECT_INTERVAL: Duration = Duration::from_millis(250);

/// A program to start, and the service's name under which its lines are kept.
#[derive(Clone, Debug)]
pub struct Program {
    service: Arc<str>,
    command: Vec<OsString>,
    /// Whether the name was given, and not taken from the program's.
    is_named: bool,
}

impl Program {
    /// This program with its arguments; without a name it is the `OTEL_SERVICE_NAME` of the environment, or the
    /// program's own.
    ///
    /// # Errors
    /// A command without a program, and a name that is empty or longer than 128 bytes.
    pub fn new(name: Option<&str>, command: Vec<OsString>) -> Result<Self, Error> {
        if command.first().is_none_or(|program| program.is_empty()) {
            return Err(Error::command("", "give a program after --"));
        }
        let is_named = name.is_some();
        let of_environment = || std::env::var("OTEL_SERVICE_NAME").ok();
        let name = name.map(Into::into).or_else(of_environment).filter(|name| !name.is_empty());
        let service = name.unwrap_or_else(|| default_name(&command));
        if service.len() > 128 || service.chars().any(char::is_control) {
            return Err(Error::command(&service, "give a name of 1 to 128 bytes"));
        }
        Ok(Self { service: service.into(), command, is_named })
    }
}

impl FromStr for Program {
    type Err = Error;

    /// Reads `NAME=COMMAND`, whose words are split as a shell does.
    fn from_str(text: &str) -> Result<Self, Error> {
        let form = "give NAME=COMMAND, such as payments=\"./payments --port 8081\"";
        let (name, command) = text.split_once('=').ok_or_else(|| Error::command(text, form))?;
        let words = shlex::split(command).filter(|_| !name.is_empty());
        let words = words.ok_or_else(|| Error::command(text, form))?;
        Self::new(Some(name), words.into_iter().map(Into::into).collect())
    }
}

struct RunningProgram {
    service: Arc<str>,
    child: Child,
    outputs: JoinSet<()>,
}

impl Running {
    /// Starts the programs with what joins everything, and runs until the first has ended; the others end with
    /// it. Answers the first one's exit code, 128 and the signal's number where one killed it.
    ///
    /// Their output is shown unchanged on this process' own and kept as log lines; `signals` are passed on. What
    /// is said of them goes to stderr.
    ///
    /// # Errors
    /// A program that cannot be started: those that were started are ended.
    pub async fn run(
        &self,
        first: Program,
        others: Vec<Program>,
        signals: &mut Signals,
    ) -> Result<u8, Error> {
        let mut tasks = JoinSet::new();
        let mut first = self.start_program(first, true, &mut tasks)?;
        let mut started = Vec::new();
        for program in others {
            started.push(self.start_program(program, false, &mut tasks)?);
        }
        let status = loop {
            tokio::select! {
                ended = first.child.wait() => break ended,
                signal = signals.next() => {
                    if !signals::is_sent_to_all(signal) {
                        for one in started.iter().chain([&first]) {
                            signals::send(one.child.id(), signal);
                        }
                    }
                }
                (index, ended) = wait_any(&mut started) => {
                    let one = started.swap_remove(index);
                    self.report_end(&one.service, ended).await;
                    drain_output(one.outputs).await;
                }
            }
        };
        drain_output(first.outputs).await;
        self.report_end(&first.service, status.as_ref().ok().copied()).await;
        self.end(started, signals).await;
        tasks.shutdown().await;
        Ok(status.map_or(1, exit_code))
    }

    fn start_program(
        &self,
        program: Program,
        is_first: bool,
        tasks: &mut JoinSet<()>,
    ) -> Result<RunningProgram, Error> {
        let Program { service, command, is_named } = program;
        let failed = |source| Error::start(&service, &command, source);
        let mut words = command.iter();
        let mut child = Command::new(words.next().cloned().unwrap_or_default());
        child.args(words).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        if !is_first {
            child.stdin(Stdio::null());
        }
        for (name, value) in variables(self, &service) {
            if !is_set(name) || (is_named && name == "OTEL_SERVICE_NAME") {
                child.env(name, value);
            }
        }
        let given = std::env::var("OBS_ADMIN_ADDR").ok().filter(|_| is_first);
        let admin = match given {
            Some(text) => text.parse().ok(),
            None => {
                let address = free_address().map_err(failed)?;
                child.env("OBS_ADMIN_ADDR", address.to_string());
                Some(address)
            }
        };
        let mut child = child.spawn().map_err(failed)?;
        if let Some(address) = admin {
            let watch = self.watcher(&service);
            tasks.spawn(async move {
                while TcpStream::connect(address).await.is_err() {
                    tokio::time::sleep(CONNECT_INTERVAL).await;
                }
                watch(address);
            });
        }
        let mut outputs = JoinSet::new();
        if let Some(stdout) = child.stdout.take() {
            let name = (Arc::clone(&service), "stdout");
            let watch = self.watcher(&service);
            let store = Arc::clone(self.store());
            outputs.spawn(output::pump(stdout, tokio::io::stdout(), name, store, watch));
        }
        if let Some(stderr) = child.stderr.take() {
            let name = (Arc::clone(&service), "stderr");
            let watch = self.watcher(&service);
            let store = Arc::clone(self.store());
            outputs.spawn(output::pump(stderr, tokio::io::stderr(), name, store, watch));
        }
        Ok(RunningProgram { service, child, outputs })
    }

    /// Looks at the admin server of a service from when its address is known.
    fn watcher(&self, service: &Arc<str>) -> impl Fn(SocketAddr) + Send + 'static {
        let scraper = self.scraper().clone();
        let service = Arc::clone(service);
        let token = std::env::var("OBS_ADMIN_TOKEN").ok().filter(|token| !token.is_empty());
        move |address| {
            // A service that listens on every address is asked by the loopback one.
            let host = if address.ip().is_unspecified() {
                "127.0.0.1".into()
            } else {
                address.ip().to_string()
            };
            let host = if host.contains(':') { format!("[{host}]") } else { host };
            let url = format!("http://{host}:{}", address.port());
            if let Ok(target) = Target::new(&service, &url) {
                scraper.add(match &token {
                    Some(token) => target.with_token(token),
                    None => target,
                });
            }
        }
    }

    /// Terminates the running programs, and kills those that do not end in time.
    async fn end(&self, mut started: Vec<RunningProgram>, signals: &mut Signals) {
        for one in &started {
            signals::send(one.child.id(), Signal::TERM);
        }
        let deadline = tokio::time::sleep(TERMINATE_TIMEOUT);
        tokio::pin!(deadline);
        while !started.is_empty() {
            tokio::select! {
                (index, ended) = wait_any(&mut started) => {
                    let one = started.swap_remove(index);
                    drain_output(one.outputs).await;
                    self.report_end(&one.service, ended).await;
                }
                () = &mut deadline => break,
                _ = signals.next() => break,
            }
        }
        for mut one in started {
            let _ = one.child.kill().await;
            self.report_end(&one.service, None).await;
        }
    }

    /// On stderr, and as a line of the service.
    async fn report_end(&self, service: &Arc<str>, status: Option<ExitStatus>) {
        let (how, is_well) = match status {
            None => (String::from("was killed, since it did not end"), false),
            Some(status) => match (status.code(), status.signal()) {
                (Some(0), _) => (String::from("ended"), true),
                (Some(code), _) => (format!("ended with exit code {code}"), false),
                (None, signal) => (format!("was ended by signal {}", signal.unwrap_or(0)), false),
            },
        };
        output::say(&format!("{service} {how}")).await;
        let level = if is_well { "info" } else { "error" };
        let line = output::own_line(service, level, format!("the program {how}"));
        self.store().add_logs([line]);
    }
}

/// Waits until one of them ends.
async fn wait_any(started: &mut [RunningProgram]) -> (usize, Option<ExitStatus>) {
    let mut waiting: Vec<_> = started.iter_mut().map(|one| Box::pin(one.child.wait())).collect();
    std::future::poll_fn(move |context| {
        for (index, wait) in waiting.iter_mut().enumerate() {
            if let std::task::Poll::Ready(status) = wait.as_mut().poll(context) {
                return std::task::Poll::Ready((index, status.ok()));
            }
        }
        std::task::Poll::Pending
    })
    .await
}

async fn drain_output(mut outputs: JoinSet<()>) {
    let all = async { while outputs.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(OUTPUT_TIMEOUT, all).await;
}

fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code & 0xff).unwrap_or(1)
}
