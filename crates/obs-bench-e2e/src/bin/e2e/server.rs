//! A contender's process: start, scrape, stop, and the CPU time that the kernel reports.

use std::io::{self, BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use obs_bench_e2e::Failure;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::calls::Calls;
use crate::case::{Case, Contender, Telemetry};

pub(crate) struct Server {
    child: Child,
    addr: SocketAddr,
    metrics: SocketAddr,
    folder: TempDir,
}

/// A server's whole life.
pub(crate) struct Ended {
    pub(crate) cpu_time: Duration,
    /// Lines of the handler that its log has.
    pub(crate) lines: i64,
}

impl Server {
    pub(crate) async fn start(case: &Case, collector: String) -> Result<Self, Failure> {
        let program = match case.contender {
            Contender::Ours => "orders-ours",
            Contender::Stock => "orders-stock",
        };
        Self::start_program(program, case, collector)
    }

    /// Ours, under the allocator that counts.
    pub(crate) fn start_counted(case: &Case, collector: String) -> Result<Self, Failure> {
        Self::start_program("orders-counted", case, collector)
    }

    fn start_program(program: &str, case: &Case, collector: String) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let (mode, sampler) = match case.telemetry {
            Telemetry::Bare => ("bare", "always_on"),
            Telemetry::Logs => ("logs", "always_on"),
            Telemetry::Metrics => ("metrics", "always_on"),
            Telemetry::All => ("traces", "always_on"),
            Telemetry::AllSampled => ("traces", "parentbased_traceidratio"),
        };
        let admin = free_addr()?;
        let mut command = Command::new(std::env::current_exe()?.with_file_name(program));
        command
            .env_remove("RUST_LOG")
            .env("MODE", mode)
            .env("OTEL_TRACES_SAMPLER", sampler)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector)
            .env("OTEL_METRICS_EXPORTER", "none") // as the stock service: it exports its traces alone
            .env("OTEL_LOGS_EXPORTER", "none")
            .env("OBS_ADMIN_ADDR", admin.to_string())
            .env("OBS_SHUTDOWN_PROPAGATION", "0s")
            .stdout(std::fs::File::create(folder.path().join("log"))?)
            .stderr(Stdio::piped());
        if case.telemetry == Telemetry::AllSampled {
            command.env("OTEL_TRACES_SAMPLER_ARG", "0.01");
        }
        if case.with_query {
            let file = folder.path().join("orders.db");
            command.env("DATABASE_URL", format!("sqlite://{}?mode=rwc", file.display()));
        }
        let mut child = command.spawn()?;
        let addr = announced(&mut child)?;
        let is_facade = case.contender == Contender::Ours && mode == "traces";
        let metrics = if is_facade { admin } else { addr };
        Ok(Self { child, addr, metrics, folder })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Of the threads that live, to the nanosecond.
    pub(crate) fn cpu_time(&self) -> Result<Duration, Failure> {
        let mut total = 0;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let stat = std::fs::read_to_string(thread?.path().join("schedstat"))?;
            total += stat.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(Duration::from_nanos(total))
    }

    /// Times that threads which live went to sleep, and were preempted.
    pub(crate) fn switches(&self) -> Result<[u64; 2], Failure> {
        let mut all = [0; 2];
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let status = thread?.path().join("status");
            all[0] += field(&status, "voluntary_ctxt_switches:")?;
            all[1] += field(&status, "nonvoluntary_ctxt_switches:")?;
        }
        Ok(all)
    }

    /// Counts the system calls of the threads that it has now.
    pub(crate) fn calls(&self) -> Result<Calls, Failure> {
        Calls::of(self.child.id())
    }

    /// The sum of `http_requests_total` of the orders' route.
    pub(crate) async fn requests_counted(&self) -> Result<i64, Failure> {
        let text = get(self.metrics, "/metrics").await?;
        let rows = text.lines().filter(|line| {
            line.starts_with("http_requests_total{") && line.contains("/orders/{id}")
        });
        let counts = rows.filter_map(|row| row.split("} ").nth(1)?.split(' ').next()?.parse().ok());
        Ok(counts.map(|count: f64| count as i64).sum())
    }

    /// Allocations of the process so far, and their bytes.
    pub(crate) async fn allocations(&self) -> Result<[u64; 2], Failure> {
        let text = get(self.addr, "/allocations").await?;
        let numbers = text.rsplit('\n').next().and_then(|body| body.split_once(' '));
        let (made, bytes) = numbers.ok_or("no count of allocations")?;
        Ok([made.parse()?, bytes.parse()?])
    }

    /// Ends it as a supervisor would and waits.
    pub(crate) async fn stop(mut self) -> Result<Ended, Failure> {
        let before = children_cpu_time();
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let status = tokio::task::block_in_place(|| self.child.wait())?;
        if !status.success() {
            return Err(format!("the server ended with {:?}: {status}", status.signal()).into());
        }
        let cpu_time = children_cpu_time().saturating_sub(before);
        let lines = BufReader::new(std::fs::File::open(self.folder.path().join("log"))?).lines();
        let ours = lines
            .map_while(Result::ok)
            .filter(|line| line.contains("\"order received\"") || line.contains("\"order done\""));
        Ok(Ended { cpu_time, lines: ours.count() as i64 })
    }
}

/// The number behind a name.
fn field(file: &Path, name: &str) -> Result<u64, Failure> {
    let text = std::fs::read_to_string(file)?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such field")?;
    Ok(value.trim().parse()?)
}

/// The answer with its head.
async fn get(addr: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(addr).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

/// The address on the first line that says it; the rest of standard error is thrown away.
fn announced(child: &mut Child) -> Result<SocketAddr, Failure> {
    let mut stderr = BufReader::new(child.stderr.take().ok_or("no standard error")?);
    let mut line = String::new();
    let mut said = String::new();
    while stderr.read_line(&mut line)? > 0 {
        if let Some((_, addr)) = line.trim().split_once("listening on ") {
            let addr = addr.parse()?;
            let shown = std::env::var_os("ALLOCATIONS_TRACE").is_some();
            std::thread::spawn(move || match shown {
                true => io::copy(&mut stderr, &mut io::stderr()),
                false => io::copy(&mut stderr, &mut io::sink()),
            });
            return Ok(addr);
        }
        said += &line;
        line.clear();
    }
    Err(format!("a contender did not start: {said}").into())
}

fn free_addr() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// Of every child that has been waited for.
#[allow(unsafe_code, reason = "no safe crate here wraps getrusage")]
fn children_cpu_time() -> Duration {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the call fills the struct that it is given, and zeroed is a valid value of it.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr());
        usage.assume_init()
    };
    let time = |value: libc::timeval| {
        Duration::from_secs(value.tv_sec as u64) + Duration::from_micros(value.tv_usec as u64)
    };
    time(usage.ru_utime) + time(usage.ru_stime)
}
