//! Loggers that no bar is measured against: one event with three fields, in a context of three.

use std::cell::RefCell;
use std::io::{self, Write};
use std::process::Command;
use std::sync::Arc;

use emit::Props;

use super::work::{in_one_span, with_ours};
use crate::measure::nanoseconds;
use crate::row::Row;

pub(super) fn rows() -> Vec<Row> {
    let row = |peer, theirs| Row {
        pillar: "logging",
        work: "event in one span",
        peer,
        bar: f64::INFINITY,
        ours: || with_ours(in_one_span),
        theirs,
    };
    vec![
        row("emit", emit_json),
        row("logforth", logforth_json),
        row("spdlog-rs", spdlog_json),
        row("structlog (Python)", || {
            script("python3", &["-c", include_str!("../../peers/logging.py")])
        }),
        row("pino (Node)", || script("node", &["-e", include_str!("../../peers/logging.js")])),
        row("log/slog (Go)", || {
            script("go", &["run", concat!(env!("CARGO_MANIFEST_DIR"), "/peers/logging.go")])
        }),
    ]
}

/// As emit's own file emitter does: time, level, message and properties as one object.
fn emit_json() -> f64 {
    thread_local! {
        static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    let emitter = emit::emitter::from_fn(|event| {
        LINE.with_borrow_mut(|line| {
            line.clear();
            let _ = write!(
                line,
                "{{\"ts\":\"{}\",\"msg\":\"{}\",\"fields\":",
                event.ts().expect("it has a time"),
                event.msg()
            );
            serde_json::to_writer(&mut *line, event.props().as_map())
                .expect("a map of simple values");
            line.extend_from_slice(b"}\n");
            io::sink().write_all(line).expect("a sink takes all");
        });
    });
    let _setup = emit::setup().emit_to(emitter).init();
    let context = emit::props! { request_id: "0190f6a8-5a5f-7ccc", method: "GET", path: "/orders" };
    let mut frame = emit::Frame::push(emit::ctxt(), context);
    let _entered = frame.enter();
    nanoseconds(|| {
        emit::info!("user created", user_id: 123_u64, name: "Alice", ratio: 0.25);
    })
}

#[derive(Debug)]
struct Nowhere(logforth::layout::JsonLayout);

impl logforth::Append for Nowhere {
    fn append(
        &self,
        record: &logforth::record::Record<'_>,
        diagnostics: &[Box<dyn logforth::Diagnostic>],
    ) -> Result<(), logforth::Error> {
        let line = logforth::Layout::format(&self.0, record, diagnostics)?;
        io::sink().write_all(&line).map_err(logforth::Error::from_io_error)
    }

    fn flush(&self) -> Result<(), logforth::Error> {
        Ok(())
    }
}

fn logforth_json() -> f64 {
    let context = logforth::diagnostic::ThreadLocalDiagnostic::default();
    for (name, value) in
        [("request_id", "0190f6a8-5a5f-7ccc"), ("method", "GET"), ("path", "/orders")]
    {
        logforth::diagnostic::ThreadLocalDiagnostic::insert(name, value);
    }
    logforth::starter_log::builder()
        .dispatch(|dispatch| dispatch.diagnostic(context).append(Nowhere(Default::default())))
        .apply();
    nanoseconds(|| log::info!(user_id = 123_u64, name = "Alice", ratio = 0.25; "user created"))
}

/// It has no context: its fields are given with the event.
fn spdlog_json() -> f64 {
    let sink = spdlog::sink::WriteSink::builder()
        .formatter(spdlog::formatter::JsonFormatter::new())
        .target(io::sink())
        .build_arc()
        .expect("nothing of this can fail");
    let logger = spdlog::Logger::builder().sink(sink as Arc<_>).build().expect("a good logger");
    nanoseconds(|| {
        spdlog::info!(logger: logger, "user created", kv: {
            request_id = "0190f6a8-5a5f-7ccc", method = "GET", path = "/orders",
            user_id = 123_u64, name = "Alice", ratio = 0.25
        });
    })
}

/// What a logger of another language prints; no figure where it is not installed.
fn script(program: &str, arguments: &[&str]) -> f64 {
    let output = Command::new(program).args(arguments).output();
    let printed = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    let Some(printed) = printed else {
        eprintln!("the logger for {program} is not installed");
        return f64::NAN;
    };
    String::from_utf8_lossy(&printed).trim().parse().unwrap_or(f64::NAN)
}
