//! The demo among foreign programs: PostgreSQL, Prometheus, rotel, and the judges of the exposition.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::error::{During, Failure};
use crate::scenario::demos::whole_demo;
use crate::scenario::lone::Lone;
use crate::scenario::outcome::{Outcome, expect};
use crate::system::{Service, free_addr, installed, until};

pub(crate) fn prometheus() -> Result<Outcome, Failure> {
    if installed("prometheus").is_none() {
        return Ok(Outcome::Skipped(
            "prometheus is not installed (apt-get install prometheus)".into(),
        ));
    }
    let story = whole_demo(&["--prometheus", "--in-flight", "20"])?;
    expect(story.contains("query_exemplars names trace"), &story)?;
    Ok(Outcome::Passed)
}

pub(crate) fn rotel_grpc() -> Result<Outcome, Failure> {
    rotel("grpc", "--otlp-grpc-endpoint", "--otlp-http-endpoint")
}

pub(crate) fn rotel_http() -> Result<Outcome, Failure> {
    rotel("http/protobuf", "--otlp-http-endpoint", "--otlp-grpc-endpoint")
}

/// The demo's spans arrive at an OTLP receiver that is none of ours.
fn rotel(protocol: &str, used: &str, unused: &str) -> Result<Outcome, Failure> {
    let Some(program) = rotel_program() else {
        return Ok(Outcome::Skipped("rotel is not installed (pip install rotel)".into()));
    };
    let addr = free_addr();
    let arguments: Vec<String> = [
        "start",
        used,
        &addr.to_string(),
        unused,
        &free_addr().to_string(),
        "--exporter",
        "blackhole",
        "--debug-log",
        "traces",
        "--debug-log-verbosity",
        "detailed",
    ]
    .map(str::to_owned)
    .to_vec();
    let rotel = Service::start("rotel", &program, &arguments, &[], None)?;
    listens("rotel", addr, &rotel)?;
    let document = whole_demo(&[
        "--json",
        "--in-flight",
        "20",
        "--otlp",
        &format!("http://{addr}"),
        "--otlp-protocol",
        protocol,
    ])?;
    let document: serde_json::Value = serde_json::from_str(&document)?;
    let trace_id = document["request"]["trace_id"].as_str().unwrap_or_default().to_owned();
    let seen = until("rotel has the trace", Duration::from_secs(60), || {
        let said = rotel.lines().iter().map(|line| line.text.clone() + "\n").collect::<String>();
        let said = said + &rotel.errors();
        (said.contains(&trace_id) && said.contains("process_order")).then_some(())
    });
    seen.map_err(|failure| Failure::new(format!("{failure}: {trace_id}, {}", rotel.errors())))?;
    Ok(Outcome::Passed)
}

/// The wheel puts `rotel-agent` beside Python's other programs.
fn rotel_program() -> Option<PathBuf> {
    installed("rotel-agent").or_else(|| {
        let find =
            "import rotel, os; print(os.path.join(os.path.dirname(rotel.__file__), 'rotel-agent'))";
        let output = Command::new("python3").args(["-c", find]).output().ok()?;
        let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
        path.is_file().then_some(path)
    })
}

pub(crate) fn postgresql() -> Result<Outcome, Failure> {
    let Some(binaries) = postgresql_binaries() else {
        return Ok(Outcome::Skipped(
            "PostgreSQL is not installed (apt-get install postgresql)".into(),
        ));
    };
    let cluster = Cluster::start(&binaries)?;
    let url = format!("postgres://obs:secret@{}/postgres", cluster.addr);
    let story = whole_demo(&["--in-flight", "20", "--database", &url])?;
    expect(story.contains("INSERT INTO orders"), &story)?;
    expect(!story.contains("secret"), "the demo shows the database's password")?;
    Ok(Outcome::Passed)
}

/// A PostgreSQL of our own, in a temporary folder.
struct Cluster {
    addr: SocketAddr,
    _process: Service,
    _folder: TempDir,
}

impl Cluster {
    fn start(binaries: &Path) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let (data, password) = (folder.path().join("data"), folder.path().join("password"));
        std::fs::write(&password, "secret")?;
        let addr = free_addr();
        // PostgreSQL refuses to run as root; Debian's package brings its user.
        let root = rustix::process::geteuid().is_root();
        if root {
            run("chown", &["-R", "postgres", &folder.path().display().to_string()])?;
        }
        let as_postgres = |program: &str, arguments: Vec<String>| -> (PathBuf, Vec<String>) {
            let program = binaries.join(program);
            match root {
                false => (program, arguments),
                true => {
                    let mut all = vec!["-u".to_owned(), "postgres".to_owned(), "--".to_owned()];
                    all.push(program.display().to_string());
                    all.extend(arguments);
                    ("runuser".into(), all)
                }
            }
        };
        let text = |path: &Path| path.display().to_string();
        let (program, arguments) = as_postgres(
            "initdb",
            vec![
                "-D".into(),
                text(&data),
                "-U".into(),
                "obs".into(),
                "-A".into(),
                "scram-sha-256".into(),
                format!("--pwfile={}", text(&password)),
                "--no-sync".into(),
            ],
        );
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        run(&text(&program), &arguments)?;
        let (program, arguments) = as_postgres(
            "postgres",
            vec![
                "-D".into(),
                text(&data),
                "-p".into(),
                addr.port().to_string(),
                "-h".into(),
                "127.0.0.1".into(),
                "-k".into(),
                text(folder.path()),
                "-F".into(),
            ],
        );
        let process = Service::start("postgresql", &program, &arguments, &[], None)?;
        listens("PostgreSQL", addr, &process)?;
        Ok(Self { addr, _process: process, _folder: folder })
    }
}

fn postgresql_binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let folders = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
    folders.filter(|folder| folder.join("initdb").is_file()).max()
}

/// The rules and dashboards of `docs/deploy` name what the services show, and Prometheus has answers.
pub(crate) fn deployment_assets() -> Result<Outcome, Failure> {
    Ok(crate::assets::check()?.map_or(Outcome::Passed, Outcome::Skipped))
}

/// promtool judges the text format, Python's parser OpenMetrics: of a whole service, not of one metric.
pub(crate) fn exposition() -> Result<Outcome, Failure> {
    if installed("promtool").is_none() {
        return Ok(Outcome::Skipped(
            "promtool is not installed (apt-get install prometheus)".into(),
        ));
    }
    let parser = "from prometheus_client.openmetrics import parser";
    if !Command::new("python3").args(["-c", parser]).stderr(Stdio::null()).status()?.success() {
        return Ok(Outcome::Skipped(
            "Python's client is not installed (pip install prometheus-client)".into(),
        ));
    }
    let lone = Lone::start(&[])?;
    for number in 0..20 {
        lone.charge(&format!("judged-{number}"))?;
    }
    let url = format!("{}/metrics", lone.admin);
    let text = lone.http.get(&url)?.body;
    judge("promtool", &["check", "metrics"], &text)?;
    let accept = [("accept", "application/openmetrics-text; version=1.0.0")];
    let open = lone.http.send("GET", &url, &accept, "")?.body;
    expect(open.ends_with("# EOF\n"), "the OpenMetrics answer does not end with # EOF")?;
    let judge_all = format!(
        "import sys\n{parser}\nassert len(list(parser.text_string_to_metric_families(sys.stdin.read()))) > 5"
    );
    judge("python3", &["-c", &judge_all], &open)?;
    lone.end()?;
    Ok(Outcome::Passed)
}

/// Feeds `text` to a program that must find nothing wrong with it.
fn judge(program: &str, arguments: &[&str], text: &str) -> Result<(), Failure> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .during(program)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(text.as_bytes()).during(program)?;
    }
    let output = child.wait_with_output().during(program)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    expect(output.status.success(), &format!("{program} objects: {said}\n{text}"))
}

fn run(program: &str, arguments: &[&str]) -> Result<(), Failure> {
    let output = Command::new(program).args(arguments).output().during(program)?;
    expect(
        output.status.success(),
        &format!("{program}: {}", String::from_utf8_lossy(&output.stderr)),
    )
}

fn listens(name: &str, addr: SocketAddr, process: &Service) -> Result<(), Failure> {
    let up = until(&format!("{name} listens"), Duration::from_secs(120), || {
        std::net::TcpStream::connect(addr).ok().map(drop)
    });
    up.map_err(|failure| Failure::new(format!("{failure}: {}", process.errors().trim())))
}
