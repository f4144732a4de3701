//! A real PostgreSQL that is stopped, paused, or whose pool is exhausted: three answers.

#![cfg(feature = "sqlx")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed test is a panic"
)]

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use http::Request;
use obs_health::{Check, Health, State, watchdog};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sqlx::postgres::PgPoolOptions;

mod support;

/// A PostgreSQL of our own, in a temporary folder.
struct Cluster {
    addr: SocketAddr,
    folder: tempfile::TempDir,
    process: Child,
}

impl Cluster {
    fn start(binaries: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        // PostgreSQL refuses to run as root; Debian's package brings its user.
        let root = rustix::process::geteuid().is_root();
        if root {
            let status = Command::new("chown").arg("postgres:").arg(path).status().unwrap();
            assert!(status.success());
        }
        let owner = fs::metadata(path).unwrap();
        let command = |program: &str| {
            let mut command = Command::new(binaries.join(program));
            if root {
                command.uid(owner.uid()).gid(owner.gid());
            }
            command.arg("-D").arg(path.join("data"));
            command.current_dir(path).stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        let initdb = ["-U", "obs", "-A", "trust", "--no-sync"];
        assert!(command("initdb").args(initdb).status().unwrap().success());
        let addr = SocketAddr::from(([127, 0, 0, 1], obs_testing::free_port()));
        let mut postgres = command("postgres");
        postgres.args(["-h", "127.0.0.1", "-F", "-p"]).arg(addr.port().to_string());
        let process = postgres.arg("-k").arg(path).spawn().unwrap();
        let cluster = Self { addr, process, folder };
        cluster.wait(|| std::net::TcpStream::connect(addr).is_ok());
        cluster
    }

    fn wait(&self, condition: impl Fn() -> bool) {
        let started = Instant::now();
        while !condition() {
            assert!(started.elapsed() < Duration::from_secs(120), "PostgreSQL: {}", self.addr);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn postmaster(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.folder.path().join("data/postmaster.pid")).ok()?;
        Pid::from_raw(text.lines().next()?.parse().ok()?)
    }

    /// To the postmaster first, so that it starts no more, then to its children.
    fn signal_all(&self, signal: Signal) {
        let postmaster = self.postmaster().unwrap();
        let _ = kill_process(postmaster, signal);
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let stat = fs::read_to_string(process.path().join("stat")).unwrap_or_default();
            let parent =
                stat.rsplit(')').next().and_then(|rest| rest.split(' ').nth(2)?.parse().ok());
            if parent == Some(postmaster.as_raw_nonzero().get()) {
                let child = process.file_name().to_str().and_then(|pid| pid.parse().ok());
                let _ = kill_process(Pid::from_raw(child.unwrap()).unwrap(), signal);
            }
        }
    }

    fn stop(&self) {
        let _ = kill_process(self.postmaster().unwrap(), Signal::INT);
        self.wait(|| std::net::TcpStream::connect(self.addr).is_err());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(postmaster) = self.postmaster() {
            self.signal_all(Signal::CONT);
            let _ = kill_process(postmaster, Signal::QUIT);
        }
        let _ = self.process.wait();
    }
}

fn binaries() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let folders = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
    folders.filter(|folder| folder.join("initdb").is_file()).max()
}

fn probe(health: &Health, path: &str) -> (u16, Value) {
    let head = Request::builder().uri(path).body(()).unwrap().into_parts().0;
    let answer = health.probe(&head).unwrap();
    (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap())
}

async fn becomes(health: &Health, word: &str) {
    let started = Instant::now();
    loop {
        let (status, body) = probe(health, "/readyz");
        assert_eq!(probe(health, "/healthz").0, 200, "liveness asks no database");
        if body["checks"]["postgres"] == word {
            assert_eq!(status, if word == "ok" { 200 } else { 503 });
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(120), "never {word}: {body}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_stopped_paused_and_exhausted_answers_differ() {
    let Some(binaries) = binaries() else {
        return obs_testing::skipped("PostgreSQL is not installed (apt-get install postgresql)");
    };
    let cluster = Cluster::start(&binaries);
    let url = format!("postgres://obs@{}/postgres", cluster.addr);
    let pool = PgPoolOptions::new().max_connections(2).connect_lazy(&url).unwrap();
    let health = Health::new();
    let check = Check::sqlx("postgres", pool.clone()).interval(Duration::from_millis(50));
    health.add(check.timeout(Duration::from_secs(1)).failures_before_down(1)).unwrap();
    health.start();
    let _watchdog = watchdog::Builder::new(health.clone()).start().unwrap();
    becomes(&health, "ok").await;

    let held = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    becomes(&health, "exhausted").await;
    // All connections in use because the database hangs: the cause is told, not its effect.
    cluster.signal_all(Signal::STOP);
    becomes(&health, "timeout").await;
    cluster.signal_all(Signal::CONT);
    becomes(&health, "exhausted").await;
    drop(held);
    becomes(&health, "ok").await;

    cluster.signal_all(Signal::STOP);
    becomes(&health, "timeout").await;
    cluster.signal_all(Signal::CONT);
    becomes(&health, "ok").await;

    cluster.stop();
    becomes(&health, "refused").await;
    assert_eq!(health.state(), State::NotReady);
    assert_eq!(support::total(&health, "health_wedged_total"), 0.0);
}
