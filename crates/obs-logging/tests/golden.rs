//! Both renderers, byte by byte: `OBS_BLESS=1` writes the files in `tests/golden` anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod common;

use std::path::Path;

use common::Kept;
use obs_context::{ActiveSpan, SpanId, TraceId, set_active_span};
use obs_logging::{Builder, Context, Delivery, Format, Output};
use tracing::{Dispatch, debug, error, info, info_span, trace, warn};
use tracing_subscriber::layer::SubscriberExt;

fn story() {
    let context = Context::new();
    context.bind("request_id", "0190f6a8-5a5f-7ccc-8f7a-2b1c3d4e5f60").bind("path", "/orders");
    let _context = context.enter();
    info!(target: "orders", port = 8000, "server started");
    set_active_span(Some(ActiveSpan {
        trace_id: TraceId::new(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c),
        span_id: SpanId::new(0xb7ad_6b71_6920_3331),
        sampled: true,
        name: "place",
        route: None,
    }));
    let _span = info_span!(target: "orders", "place", order = 7, customer = "Zoë \"Z\"").entered();
    debug!(target: "orders", ratio = 0.1, ok = true, none = f64::NAN, "cache lookup");
    trace!(target: "orders::db", sql = "SELECT 1;\n-- done", "query");
    warn!(target: "orders", attempt = 2, empty = "", path = "C:\\new", "retrying\ttwice");
    let disk = std::io::Error::other("disk full\u{1b}[31m");
    let failure = std::io::Error::new(std::io::ErrorKind::StorageFull, Wrapped(disk));
    error!(target: "orders", error = &failure as &dyn std::error::Error, "db write failed");
    set_active_span(None);
    info!(target: "orders", only = "fields");
}

#[derive(Debug)]
struct Wrapped(std::io::Error);

impl std::fmt::Display for Wrapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the order was not saved")
    }
}

impl std::error::Error for Wrapped {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

fn compare(format: Format, name: &str) {
    let kept = Kept::default();
    let (layer, _logging) = Builder::new()
        .format(format)
        .filter("trace")
        .delivery(Delivery::Blocking)
        .output(Output::writer(kept.clone()))
        .static_field("service", "orders")
        .build()
        .unwrap();
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    tracing::dispatcher::with_default(&dispatch, story);
    let text = kept.text();
    let mut fixed = String::new();
    for line in text.lines() {
        let time = line.find("202").filter(|at| line[*at..].get(26..27) == Some("Z"));
        match time {
            Some(at) => {
                fixed.push_str(&line[..at]);
                fixed.push_str("2026-06-19T10:23:45.123456Z");
                fixed.push_str(&line[at + 27..]);
            }
            None => fixed.push_str(line),
        }
        fixed.push('\n');
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("OBS_BLESS").is_some() {
        std::fs::write(&path, &fixed).unwrap();
    }
    assert_eq!(fixed, std::fs::read_to_string(path).unwrap());
}

#[test]
fn json_lines_match_golden_file() {
    compare(Format::Json, "json.log");
}

#[test]
fn console_lines_match_golden_file() {
    compare(Format::Console, "console.log");
}

#[test]
fn readme_matches_console_golden_file() {
    let readme = include_str!("../README.md");
    let shown = readme.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(shown, include_str!("golden/console.log"), "copy the file to the README");
}
