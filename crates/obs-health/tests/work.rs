//! Servers of other crates and workers: the same shutdown as for a server of ours.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::future::pending;
use std::time::Duration;

use obs_health::lifecycle::{Deadlines, FlushStage, Flushed, Lifecycle, Stage};
use obs_health::{Health, State};

/// Only a test that fails takes so long.
const LONG: Duration = Duration::from_secs(60);

fn lifecycle(health: &Health, change: impl FnOnce(&mut Deadlines)) -> Lifecycle {
    let mut deadlines = Deadlines::development();
    deadlines.propagation = LONG;
    deadlines.tasks = LONG;
    deadlines.grace_period = 10 * LONG;
    change(&mut deadlines);
    Lifecycle::new(health.clone(), deadlines)
}

#[tokio::test]
async fn worker_drains_at_once_within_task_deadline() {
    let health = Health::new();
    let lifecycle = lifecycle(&health, |_| ());
    lifecycle.on_flush(FlushStage::Logs, |_| Flushed { delivered: 3, lost: 0 });
    let (draining, ask) = (lifecycle.draining(), lifecycle.clone());
    let finished = lifecycle
        .run_worker(async move {
            ask.shut_down();
            draining.cancelled().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            "the last job is done"
        })
        .await;
    assert_eq!(finished.output, Some("the last job is done"));
    let report = finished.report;
    assert!(report.is_clean(), "{report}");
    assert!(report.stage(Stage::Propagation).unwrap().took < LONG / 2, "{report}");
    assert_eq!(report.stage(Stage::Logs).unwrap().finished, 3);
    assert_eq!(health.state(), State::Stopped);
}

#[tokio::test]
async fn worker_past_deadline_is_counted_lost() {
    let lifecycle = lifecycle(&Health::new(), |deadlines| deadlines.tasks = Duration::ZERO);
    lifecycle.shut_down();
    let finished = lifecycle.run_worker(pending::<()>()).await;
    assert_eq!(finished.output, None);
    assert_eq!(finished.report.stage(Stage::Tasks).unwrap().lost, 1, "{}", finished.report);
}

#[tokio::test]
async fn ended_or_panicking_worker_shuts_down_in_order() {
    for panics in [false, true] {
        let health = Health::new();
        let lifecycle = lifecycle(&health, |_| ());
        let work = async move {
            assert!(!panics, "on purpose");
            7
        };
        let finished = lifecycle.run_worker(work).await;
        assert_eq!(finished.output, (!panics).then_some(7));
        assert_eq!(health.state(), State::Stopped);
    }
}

#[tokio::test]
async fn foreign_server_closes_after_propagation_and_drains() {
    let health = Health::new();
    let lifecycle =
        lifecycle(&health, |deadlines| deadlines.propagation = Duration::from_millis(100));
    let (draining, ask, probe) = (lifecycle.draining(), lifecycle.clone(), health.clone());
    lifecycle.on_close("pool", move || async move {
        assert_eq!(probe.state(), State::Draining);
    });
    let finished = lifecycle
        .run_server(|closes| async move {
            tokio::task::yield_now().await;
            ask.shut_down();
            draining.cancelled().await;
            assert!(!closes.is_cancelled(), "load balancers still send");
            closes.cancelled().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            "served"
        })
        .await;
    assert_eq!(finished.output, Some("served"));
    let report = finished.report;
    assert!(report.is_clean(), "{report}");
    assert!(report.stage(Stage::Propagation).unwrap().took >= Duration::from_millis(100));
    assert!(report.stage(Stage::Requests).unwrap().took >= Duration::from_millis(50), "{report}");
}

#[tokio::test]
async fn hanging_foreign_server_keeps_deadline_and_is_counted() {
    let lifecycle = lifecycle(&Health::new(), |deadlines| {
        deadlines.propagation = Duration::ZERO;
        deadlines.requests = Duration::from_millis(50);
    });
    lifecycle.shut_down();
    let finished = lifecycle.run_server(|_| pending::<()>()).await;
    assert_eq!(finished.output, None);
    assert_eq!(finished.report.stage(Stage::Requests).unwrap().lost, 1);
}

#[tokio::test]
async fn draining_token_is_cancelled_before_run() {
    let lifecycle = lifecycle(&Health::new(), |_| ());
    lifecycle.shut_down();
    // A loop that waits for it before the lifecycle runs must not wait for ever.
    tokio::time::timeout(LONG, lifecycle.draining().cancelled()).await.unwrap();
}

#[tokio::test]
async fn panicking_background_task_fails_liveness_and_is_lost() {
    let health = Health::new();
    let lifecycle = lifecycle(&health, |_| ());
    lifecycle.spawn(async { panic!("on purpose") });
    let alive = || {
        let request = http::Request::get("/healthz").body(()).unwrap().into_parts().0;
        health.probe(&request).unwrap().status()
    };
    while alive() != 503 {
        tokio::task::yield_now().await;
    }
    lifecycle.shut_down();
    let finished = lifecycle.run_worker(async {}).await;
    assert_eq!(finished.report.stage(Stage::Tasks).unwrap().lost, 1, "{}", finished.report);
}
