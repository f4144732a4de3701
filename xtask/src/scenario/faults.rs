//! What a deployment gets wrong, and what goes wrong around a service.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::error::Failure;
use crate::scenario::lone::Lone;
use crate::scenario::outcome::{Outcome, expect};
use crate::system::{Service, program};

/// A start that must fail with exit code 1 and one sentence that has these parts.
fn fails_to_start(
    name: &'static str,
    variables: &[(&str, String)],
    parts: &[&str],
) -> Result<(), Failure> {
    let mut service = Service::start(name, &program(name)?, &[], variables, None)?;
    let status = service.wait(Duration::from_secs(120))?;
    let errors = service.errors();
    expect(
        status.code() == Some(1),
        &format!("{variables:?} ended {name} with {status}: {errors}"),
    )?;
    for part in parts {
        expect(errors.contains(part), &format!("{variables:?}: {part:?} is not in {errors:?}"))?;
    }
    expect(!errors.contains("panicked"), &format!("{name} panicked: {errors}"))
}

pub(crate) fn port_in_use() -> Result<Outcome, Failure> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let addr = taken.local_addr()?.to_string();
    let free = ("BIND", "127.0.0.1:0".to_owned());
    fails_to_start(
        "payments",
        &[free.clone(), ("OBS_ADMIN_ADDR", addr.clone())],
        &[&addr, "admin server", "choose another port"],
    )?;
    fails_to_start(
        "payments",
        &[("BIND", addr.clone()), ("OBS_ADMIN_ADDR", "127.0.0.1:0".to_owned())],
        &[&addr, "set BIND to a free address"],
    )?;
    Ok(Outcome::Passed)
}

pub(crate) fn wrong_environment() -> Result<Outcome, Failure> {
    for (name, value, remedy) in [
        ("OBS_PRESET", "prod", "production or development"),
        ("OBS_LOG", "info,db=chatty", "sqlx=warn"),
        ("OBS_LOG_FORMAT", "xml", "json, console or auto"),
        ("OBS_ADMIN_ADDR", "localhost", "127.0.0.1:9464"),
        ("OBS_SHUTDOWN_REQUESTS", "soon", "5s or 500ms"),
        ("OBS_ACCESS_LOG", "maybe", "on or off"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "not a url", "give a URL such as"),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "not a url", "give a URL such as"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "not a url", "give a URL such as"),
    ] {
        let mut variables =
            vec![("BIND", "127.0.0.1:0".to_owned()), ("OBS_ADMIN_ADDR", "127.0.0.1:0".to_owned())];
        variables.push((name, value.to_owned()));
        fails_to_start("payments", &variables, &[name, remedy])?;
    }
    Ok(Outcome::Passed)
}

pub(crate) fn unwritable_database() -> Result<Outcome, Failure> {
    let variables = [
        ("BIND", "127.0.0.1:0".to_owned()),
        ("OBS_ADMIN_ADDR", "127.0.0.1:0".to_owned()),
        ("DATABASE_URL", "sqlite:///proc/orders.db?mode=rwc".to_owned()),
    ];
    fails_to_start("orders", &variables, &["DATABASE_URL", "permissions"])?;
    Ok(Outcome::Passed)
}

const ROUNDS: usize = 6;
const REQUESTS: usize = 60;

/// The median of the times of some requests.
fn typical_time(lone: &Lone) -> Result<Duration, Failure> {
    let mut times = Vec::new();
    for number in 0..REQUESTS {
        let started = Instant::now();
        let status = lone.charge(&format!("timed-{number}"))?;
        expect(status == 200, &format!("a charge was answered {status}"))?;
        times.push(started.elapsed());
    }
    times.sort();
    Ok(times[times.len() / 2])
}

/// With this collector the service answers as without one, and every span is counted as lost.
fn harmless_collector(endpoint: &str) -> Result<Outcome, Failure> {
    let without = Lone::start(&[])?;
    let with = Lone::start(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.to_owned()),
        ("OTEL_BSP_SCHEDULE_DELAY", "100".to_owned()),
    ])?;
    // In turns, and the least of each: whatever else the machine does only ever adds.
    let (mut bare, mut beside) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        bare = bare.min(typical_time(&without)?);
        beside = beside.min(typical_time(&with)?);
    }
    // Twice, and what a busy machine adds to whoever comes last.
    expect(
        beside < bare * 2 + Duration::from_millis(5),
        &format!("a request takes {beside:?} beside this collector, {bare:?} without"),
    )?;
    without.end()?;
    let started = with.metric("obs_spans_started_total")?;
    let requests = (ROUNDS * REQUESTS) as f64;
    expect(started >= requests, &format!("{started} spans were started by {requests} requests"))?;
    let (_, report) = with.end()?;
    let lost = report["lost"].as_f64().unwrap_or_default();
    let stages = report["stages"].as_str().unwrap_or_default();
    expect(
        lost > 0.0 && stages.contains("traces") && !stages.contains("given up"),
        &format!("the shutdown does not tell what it lost: {report}"),
    )?;
    // 2 s for the traces, and a loaded machine.
    let took = report["took_ms"].as_u64().unwrap_or(u64::MAX);
    expect(took < 60_000, &format!("the shutdown took {took} ms"))?;
    Ok(Outcome::Passed)
}

pub(crate) fn collector_refuses() -> Result<Outcome, Failure> {
    harmless_collector("http://127.0.0.1:1")
}

pub(crate) fn collector_hangs() -> Result<Outcome, Failure> {
    // It takes connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0")?;
    harmless_collector(&format!("http://{}", silent.local_addr()?))
}

/// Whoever read the log is gone: the service goes on, and counts.
pub(crate) fn log_pipe_closed() -> Result<Outcome, Failure> {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    let admin = crate::system::free_addr();
    let mut child = Command::new(program("payments")?)
        .env("BIND", "127.0.0.1:0")
        .env("OBS_ADMIN_ADDR", admin.to_string())
        .env("OBS_SHUTDOWN_PROPAGATION", "0s")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let ended = (|| {
        let stdout = child.stdout.take().ok_or_else(|| Failure::new("no pipe"))?;
        let mut lines = BufReader::new(stdout).lines();
        let addr = lines
            .by_ref()
            .map_while(Result::ok)
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(&line).ok())
            .find_map(|line| line["addr"].as_str().map(str::to_owned))
            .ok_or_else(|| Failure::new("payments never listened"))?;
        drop(lines);
        let http = crate::system::Http::new();
        for number in 0..50 {
            let url = format!("http://{addr}/charge/unread-{number}");
            let status = http.send("POST", &url, &[], "")?.status;
            expect(status == 200, &format!("without a reader of its log it answers {status}"))?;
        }
        let counted =
            crate::system::until("the lost lines are counted", Duration::from_secs(60), || {
                let metrics = http.get(&format!("http://{admin}/metrics")).ok()?.body;
                let line =
                    metrics.lines().find(|line| line.starts_with("obs_log_lines_dropped_total"))?;
                line.rsplit(' ').next()?.parse::<f64>().ok().filter(|dropped| *dropped > 0.0)
            });
        counted.map(drop)
    })();
    let _ = child.kill();
    let _ = child.wait();
    ended.map(|()| Outcome::Passed)
}
