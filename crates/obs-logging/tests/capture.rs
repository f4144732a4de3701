//! Capturing lines in tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

use obs_logging::Builder;
use obs_logging::capture::{Capture, Value};
use tracing::{debug, error, info, info_span};

#[test]
fn capture_of_thread_has_fields_and_spans() {
    let capture = Capture::new();
    capture.run(|| {
        let _outer = info_span!("outer", order = 7).entered();
        let _inner = info_span!("inner", ratio = 0.5, ok = true).entered();
        let failure = std::io::Error::other(Caused);
        error!(error = &failure as &dyn std::error::Error, text = "a \"b\"\n\u{1}é", "failed");
    });
    let line = capture.line("failed").unwrap();
    assert_eq!((line.level(), line.target()), ("error", "capture"));
    assert_eq!(line.spans(), ["outer", "inner"]);
    assert_eq!(line["order"], 7);
    assert_eq!(line["ratio"], 0.5);
    assert_eq!(line["ok"], true);
    assert_eq!(line["text"], "a \"b\"\n\u{1}é");
    assert_eq!(line["missing"], Value::Missing);
    assert_eq!(
        line["error.chain"],
        Value::List(vec![Value::Text("invalid digit found in string".to_owned())])
    );
    assert!(capture.line("other").unwrap_err().to_string().contains("failed"));
}

#[derive(Debug)]
struct Caused;

impl std::fmt::Display for Caused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("outer")
    }
}

impl std::error::Error for Caused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        static CAUSE: std::sync::OnceLock<std::num::ParseIntError> = std::sync::OnceLock::new();
        Some(CAUSE.get_or_init(|| "x".parse::<u8>().unwrap_err()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn capture_of_task_has_only_lines_of_task() {
    let captures: Vec<_> = (0..8).map(|_| Capture::new()).collect();
    let mut set = tokio::task::JoinSet::new();
    for (number, capture) in captures.iter().enumerate() {
        set.spawn(capture.scope(async move {
            for _ in 0..10 {
                tokio::task::yield_now().await;
                info!(number, "step");
            }
        }));
    }
    set.join_all().await;
    for (number, capture) in captures.iter().enumerate() {
        let lines = capture.lines();
        assert_eq!(lines.len(), 10);
        assert!(lines.iter().all(|line| line["number"] == number));
    }
}

#[test]
fn capture_with_builder_applies_filter_and_redaction() {
    let builder =
        Builder::new().filter("info").redact(["password"]).static_field("service", "orders");
    let capture = Capture::with(builder).unwrap();
    let _entered = capture.enter();
    debug!("unwanted");
    info!(password = "secret", "login");
    let lines = capture.lines();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["password"], "[redacted]");
    assert_eq!(lines[0]["service"], "orders");
    assert!(Capture::with(Builder::new().filter("db=loud")).is_err());
}
