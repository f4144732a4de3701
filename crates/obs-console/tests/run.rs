//! `obs-console run`: what a program is given, what is taken of it, and how both end.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

mod support;

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{TOKEN, get, post};

const FREE: [&str; 8] = [
    "--otlp-grpc",
    "127.0.0.1:0",
    "--otlp-http",
    "127.0.0.1:0",
    "--api",
    "127.0.0.1:0",
    "--token",
    TOKEN,
];

/// The console with a program, its page's address, and the rest of its stderr.
struct Session {
    child: Child,
    api: SocketAddr,
    stderr: BufReader<std::process::ChildStderr>,
}

fn command(options: &[&str], program: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_obs-console"));
    command.arg("run").args(FREE).args(options).arg("--").args(program);
    for name in [
        "OTEL_SERVICE_NAME",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "SENTRY_DSN",
        "OBS_ADMIN_ADDR",
        "OBS_PRESET",
    ] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn start(options: &[&str], program: &[&str]) -> Session {
    started(command(options, program))
}

fn started(mut command: Command) -> Session {
    let mut child = command.spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("obs-console: http://").unwrap_or_else(|| panic!("{line}"));
    let (address, fragment) = url.split_once("/#").unwrap();
    assert_eq!(fragment, format!("token={TOKEN}"));
    Session { child, api: address.parse().unwrap(), stderr }
}

impl Session {
    fn first_line(&mut self) -> String {
        let mut line = String::new();
        BufReader::new(self.child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// Exit code, stdout, stderr.
    fn end(mut self) -> (Option<i32>, Vec<u8>, String) {
        let (mut out, mut err) = (Vec::new(), String::new());
        self.child.stdout.take().unwrap().read_to_end(&mut out).unwrap();
        self.stderr.read_to_string(&mut err).unwrap();
        (self.child.wait().unwrap().code(), out, err)
    }

    /// Asks until `accept` likes the answer.
    fn wait_for(&self, path: &str, accept: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let answer = get(self.api, path);
            let value = if answer.status == 200 { answer.json() } else { Value::Null };
            if accept(&value) {
                return value;
            }
            assert!(Instant::now() < deadline, "{path}: {value:#}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn shell(script: &str) -> [&str; 3] {
    ["sh", "-c", script]
}

fn events(page: &Value) -> Vec<String> {
    let lines = page["lines"].as_array().cloned().unwrap_or_default();
    lines.iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn run_returns_exit_code_and_shows_output_unchanged() {
    let script = "printf '\\033[31mred\\033[0m no newline'; echo err >&2; exit 7";
    let (code, out, err) = start(&[], &shell(script)).end();
    assert_eq!(code, Some(7));
    assert_eq!(out, b"\x1b[31mred\x1b[0m no newline");
    assert!(err.contains("err\n") && err.contains("sh ended with exit code 7"), "{err}");
    assert_eq!(start(&[], &["true"]).end().0, Some(0));
    assert_eq!(start(&[], &shell("kill -KILL $$")).end().0, Some(128 + 9));
}

#[test]
fn run_with_full_output_says_so_and_keeps_lines() {
    if !std::path::Path::new("/dev/full").exists() {
        println!("left out: this system has no /dev/full");
        return;
    }
    let mut command = command(&["--stay"], &shell("echo one; echo two"));
    command.stdout(std::fs::File::create("/dev/full").unwrap());
    let mut session = started(command);
    let mut said = String::new();
    while !said.contains("could not be passed on") {
        assert_ne!(session.stderr.read_line(&mut said).unwrap(), 0, "{said}");
    }
    assert!(said.contains("obs-console: sh: 8 bytes of its stdout"), "{said}");
    assert!(said.contains("No space left on device"), "{said}");
    let page = session.wait_for("/api/logs", |page| events(page).len() >= 4);
    let shown = events(&page);
    assert!(shown.iter().any(|event| event == "one") && shown.iter().any(|event| event == "two"));
    assert!(shown.iter().any(|event| event.contains("could not be passed on")), "{shown:?}");
    session.signal("-INT");
    session.child.wait().unwrap();
}

#[test]
fn run_forwards_signals() {
    for (signal, code) in [("TERM", 15), ("INT", 2), ("HUP", 1), ("QUIT", 3)] {
        let script = format!(
            "trap 'echo got; exit {}' {signal}; echo ready; while :; do sleep 0.05; done",
            code + 40
        );
        let mut session = start(&[], &shell(&script));
        assert_eq!(session.first_line(), "ready");
        session.signal(&format!("-{signal}"));
        let (ended, out, _) = session.end();
        assert_eq!(ended, Some(code + 40), "{signal}");
        assert_eq!(String::from_utf8(out).unwrap().matches("got").count(), 1, "once");
    }
    let mut session = start(&[], &shell("echo ready; exec sleep 600"));
    session.first_line();
    session.signal("-TERM");
    assert_eq!(session.end().0, Some(128 + 15));
}

#[test]
fn run_sets_missing_variables_and_keeps_set_variables() {
    let print = "echo {$OTEL_SERVICE_NAME,$OTEL_EXPORTER_OTLP_ENDPOINT,$OTEL_EXPORTER_OTLP_PROTOCOL,$OTEL_LOGS_EXPORTER,$SENTRY_DSN,$OBS_PRESET,$OBS_ADMIN_ADDR}";
    let mut child = command(&["--name", "shop"], &shell(print));
    child.env("OBS_PRESET", "production");
    let output = child.output().unwrap();
    let line = String::from_utf8(output.stdout).unwrap();
    let given: Vec<&str> = line.trim().trim_matches(['{', '}']).split(',').collect();
    assert_eq!(given[0], "shop");
    let endpoint = given[1].strip_prefix("http://127.0.0.1:").unwrap();
    assert_eq!((given[2], given[3]), ("http/protobuf", "none"));
    assert_eq!(given[4], format!("http://console@127.0.0.1:{endpoint}/1"));
    assert_eq!(given[5], "production", "what is set stays");
    assert!(given[6].parse::<SocketAddr>().unwrap().port() != 0);
}

#[test]
fn run_joins_lines_of_both_streams_to_trace() {
    let script = r#"echo '{"level":"info","event":"stored","trace_id":"0af7651916cd43dd8448eb211c80319c","service":"shop"}'
        printf '\033[1mWARN\033[0m slow trace_id=0af7651916cd43dd8448eb211c80319c\n' >&2
        echo plain; sleep 600"#;
    let session = start(&["--name", "shop"], &shell(script));
    let page = session.wait_for("/api/logs", |page| events(page).len() == 3);
    let lines = page["lines"].as_array().unwrap();
    assert!(lines.iter().all(|line| line["service"] == "shop"), "{page:#}");
    let text =
        lines.iter().find(|line| line["event"].as_str().unwrap().starts_with("WARN")).unwrap();
    assert_eq!(text["event"], "WARN slow trace_id=0af7651916cd43dd8448eb211c80319c");
    assert_eq!((&text["level"], &text["stream"]), (&json!("WARN"), &json!("stderr")));
    let document = get(session.api, "/api/requests/0af7651916cd43dd8448eb211c80319c").json();
    assert_eq!(document["logs"].as_array().unwrap().len(), 2);
    session.signal("-TERM");
    session.end();
}

#[test]
fn run_joins_each_stack_trace_to_one_line() {
    let script = r#"cat >&2 <<'END'
before
thread 'main' (12) panicked at src/main.rs:2:5:
index out of bounds
stack backtrace:
   0: main
             at ./src/main.rs:2
note: Some details are omitted
after
Traceback (most recent call last):
  File "a.py", line 1, in <module>
    f()
ValueError: bad
next
java.lang.IllegalStateException: x
	at A.b(A.java:1)
Caused by: y
	... 5 more
{"event":"json"}
END
sleep 600"#;
    let session = start(&[], &shell(script));
    let page = session.wait_for("/api/logs", |page| events(page).iter().any(|it| it == "json"));
    let events = events(&page);
    let begins: Vec<&str> = events.iter().map(|it| it.lines().next().unwrap()).collect();
    assert_eq!(
        begins,
        [
            "before",
            "thread 'main' (12) panicked at src/main.rs:2:5:",
            "after",
            "Traceback (most recent call last):",
            "next",
            "java.lang.IllegalStateException: x",
            "json"
        ],
        "{events:#?}"
    );
    assert_eq!(events[1].lines().count(), 6);
    assert!(events[3].ends_with("ValueError: bad"));
    assert!(events[5].ends_with("... 5 more"));
    assert_eq!(
        (&page["lines"][1]["level"], &page["lines"][3]["level"]),
        (&json!("error"), &json!("error"))
    );
    session.signal("-TERM");
    session.end();
}

#[test]
fn run_of_several_programs_ends_with_first() {
    let other = "other=sh -c 'echo from other $OTEL_SERVICE_NAME $OBS_ADMIN_ADDR; trap \"echo bye; exit 0\" TERM; while :; do sleep 0.05; done'";
    let short = "short=sh -c 'exit 3'";
    let mut session = start(
        &["--name", "main", "--with", other, "--with", short],
        &shell("echo $OBS_ADMIN_ADDR; read x; sleep 600"),
    );
    let first_admin = session.first_line();
    let page = session.wait_for("/api/logs?service=other", |page| !events(page).is_empty());
    let said = events(&page).remove(0);
    let admin = said.strip_prefix("from other other ").unwrap();
    assert_ne!(admin, first_admin, "each has its own");
    let ended = session.wait_for("/api/logs?service=short", |page| !events(page).is_empty());
    assert_eq!(events(&ended), ["the program ended with exit code 3"]);
    assert_eq!(ended["lines"][0]["level"], "error");
    session.signal("-TERM");
    let (code, out, err) = session.end();
    assert_eq!(code, Some(128 + 15));
    assert!(
        String::from_utf8(out).unwrap().contains("bye"),
        "the other is asked to end, not killed"
    );
    assert!(err.contains("short ended with exit code 3") && err.contains("other ended"), "{err}");
}

#[test]
fn run_of_missing_program_is_error_with_remedy() {
    for (program, code) in [("./no-such-program", 127), ("/etc/passwd", 126)] {
        let output = command(&[], &[program]).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{program}");
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(err.contains(program) && err.contains("after --"), "{err}");
    }
    let output = command(&["--with", "x=./no-such-program"], &["sleep", "600"]).output().unwrap();
    assert_eq!(output.status.code(), Some(127), "the first is ended too");
    let output = command(&["--with", "nothing"], &["true"]).output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("NAME=COMMAND"));
}

#[test]
fn run_truncates_and_counts_endless_lines() {
    let script = "head -c 20000000 /dev/zero | tr '\\0' x; echo; head -c 100000 /dev/urandom; echo; echo end; sleep 600";
    let mut session = start(&[], &shell(script));
    // Nobody reads our stdout: the program waits as it would for a terminal.
    let mut out = session.child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut count = 0;
        let mut buffer = [0; 65_536];
        while let Ok(read @ 1..) = out.read(&mut buffer) {
            count += read;
        }
        count
    });
    session.wait_for("/api/logs?q=end", |page| events(page).iter().any(|it| it == "end"));
    let stats = get(session.api, "/api/stats").json();
    assert!(stats["received"]["logs_cut"].as_u64().unwrap() >= 1, "{stats:#}");
    assert!(stats["stored"]["log_bytes"].as_u64().unwrap() < 2_000_000, "{stats:#}");
    session.signal("-TERM");
    session.child.wait().unwrap();
    assert!(reader.join().unwrap() > 20_000_000, "it is shown whole");
}

#[test]
fn run_of_flood_of_lines_stays_within_limits() {
    let mut session = start(&[], &shell("seq 1 400000; echo done >&2; sleep 600"));
    let mut out = session.child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        let _ = out.read_to_end(&mut all);
        all.iter().filter(|byte| **byte == b'\n').count()
    });
    let stats = session.wait_for("/api/stats", |stats| {
        stats["received"]["logs"].as_u64().is_some_and(|logs| logs >= 400_000)
    });
    let number = |part: &str, name: &str| stats[part][name].as_u64().unwrap();
    assert!(number("stored", "logs") <= number("limits", "logs"));
    assert_eq!(number("stored", "logs") + number("evicted", "logs"), number("received", "logs"));
    session.signal("-TERM");
    session.child.wait().unwrap();
    assert_eq!(reader.join().unwrap(), 400_000);
}

#[test]
fn run_with_stay_keeps_page_after_crash() {
    let session = start(&["--stay"], &shell("echo '{\"event\":\"last words\"}'; exit 9"));
    let page = session.wait_for("/api/logs", |page| events(page).len() == 2);
    assert_eq!(events(&page), ["last words", "the program ended with exit code 9"]);
    session.signal("-INT");
    assert_eq!(session.end().0, Some(9));
}

#[test]
fn run_replaces_used_ports_and_finds_admin_server() {
    let held = std::net::TcpListener::bind("127.0.0.1:4320").ok();
    let mut child = Command::new(env!("CARGO_BIN_EXE_obs-console"));
    let admin = support::Admin::start("");
    let script =
        format!("echo '{{\"event\":\"listening\",\"admin\":\"{}\"}}'; sleep 600", admin.address);
    child.args(["run", "--token", TOKEN, "--name", "shop", "--", "sh", "-c", &script]);
    let mut child = child.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = Vec::new();
    let api: SocketAddr = loop {
        let mut line = String::new();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "{said:?}");
        match line.trim().strip_prefix("obs-console: http://").and_then(|url| url.split_once("/#"))
        {
            Some((address, _)) => break address.parse().unwrap(),
            None => said.push(line),
        }
    };
    assert_ne!(api.port(), 4320);
    assert!(said.iter().any(|line| line.contains("port 4320 is in use")), "{said:?}");
    let session = Session { child, api, stderr };
    let services = session.wait_for("/api/services", |services| services[0]["ready"] == true);
    assert_eq!(services[0]["name"], "shop");
    assert_eq!(services[0]["admin"], format!("{}/", admin.url()));
    drop(held);
    session.signal("-TERM");
    let mut session = session;
    assert_eq!(session.child.wait().unwrap().code(), Some(128 + 15));
}

#[test]
fn run_joins_posted_lines_and_otlp_spans_with_output() {
    let script = r#"echo "$OTEL_EXPORTER_OTLP_ENDPOINT"; echo '{"event":"hello","trace_id":"0af7651916cd43dd8448eb211c80319c"}'; sleep 600"#;
    let mut session = start(&["--name", "shop"], &shell(script));
    let otlp: SocketAddr = session.first_line().strip_prefix("http://").unwrap().parse().unwrap();
    let body = json!({"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
        "scopeSpans": [{"spans": [{"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331",
            "name": "GET /", "kind": 2, "startTimeUnixNano": "1000", "endTimeUnixNano": "2000"}]}]}]});
    let answer =
        post(otlp, "/v1/traces", "content-type: application/json\r\n", body.to_string().as_bytes());
    assert_eq!(answer.status, 200);
    let listed = session.wait_for("/api/requests", |list| list[0]["logs"] == 1);
    assert_eq!((&listed[0]["service"], &listed[0]["name"]), (&json!("shop"), &json!("GET /")));
    session.signal("-TERM");
    session.end();
}

/// In a terminal, which `script` of util-linux makes: Ctrl-C is sent to the whole group by the kernel.
#[cfg(target_os = "linux")]
#[test]
fn run_leaves_ctrl_c_to_terminal() {
    use std::io::Write;

    let program = env!("CARGO_BIN_EXE_obs-console");
    let free = FREE.join(" ");
    // The trap runs at once, since `wait` is interrupted: a second signal would be seen.
    let inner = "trap 'echo got-it' INT; echo rea''dy; sleep 1 & wait; wait; wait; exit 5";
    let line = format!("exec {program} run {free} -- sh -c \"{inner}\"");
    let mut script = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = script.stdin.take().unwrap();
    let mut stdout = BufReader::new(script.stdout.take().unwrap());
    let mut said = String::new();
    while !said.contains("ready") {
        assert_ne!(stdout.read_line(&mut said).unwrap(), 0, "{said}");
    }
    stdin.write_all(b"\x03").unwrap();
    stdin.flush().unwrap();
    stdout.read_to_string(&mut said).unwrap();
    assert_eq!(said.matches("got-it").count(), 1, "{said}");
    assert_eq!(script.wait().unwrap().code(), Some(5), "{said}");
}
