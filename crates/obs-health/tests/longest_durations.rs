//! The longest duration is accepted wherever one is.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::convert::Infallible;
use std::time::Duration;

use obs_health::lifecycle::{Deadlines, FlushStage, Flushed, Lifecycle, Stage};
use obs_health::{Check, Health};

#[tokio::test]
async fn longest_durations_in_checks_and_deadlines_do_not_panic() {
    let max = Duration::MAX;
    let health = Health::new();
    let ok = || async { Ok::<(), Infallible>(()) };
    health.add(Check::new("background", ok).interval(max).timeout(max)).unwrap();
    health.add(Check::new("asked", ok).on_demand(max).timeout(max)).unwrap();
    let mut deadlines = Deadlines::production();
    deadlines.propagation = Duration::ZERO;
    deadlines.requests = max;
    deadlines.tasks = max;
    deadlines.resources = max;
    deadlines.traces = max;
    assert_eq!(deadlines.total(), max);
    let lifecycle = Lifecycle::new(health.clone(), deadlines);
    lifecycle.on_flush(FlushStage::Traces, |_| Flushed { delivered: 1, lost: 0 });
    lifecycle.on_close("pool", || async {});
    lifecycle.shut_down();
    let report = lifecycle.run().await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.stage(Stage::Traces).unwrap().finished, 1);
}
