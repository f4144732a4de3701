//! `otel.*` fields tell the tracer what to make of a span: lines do not show them.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use obs_logging::capture::Capture;
use tracing::{info, info_span};

#[test]
fn otel_fields_are_left_out_of_lines() {
    let capture = Capture::new();
    capture.run(|| {
        let span = info_span!(
            "send",
            otel.kind = "client",
            otel.name = "GET",
            otel.status_code = tracing::field::Empty,
            peer = "stock"
        );
        span.in_scope(|| {
            span.record("otel.status_code", "ERROR");
            info!(otel.name = "sent", bytes = 7, "sent");
        });
    });
    let line = format!("{:?}", capture.line("sent").unwrap());
    assert!(line.contains("stock") && line.contains("bytes"), "{line}");
    assert!(!line.contains("otel."), "{line}");
}
