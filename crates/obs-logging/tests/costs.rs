//! The bill of a log.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod common;

use common::kept;
use obs_logging::Builder;
use tracing::{Level, info, warn};

#[test]
fn costs_are_counted_per_callsite() {
    let (dispatch, kept, logging) = kept(Builder::new().sample_below(Level::WARN, 10));
    tracing::dispatcher::with_default(&dispatch, || {
        (0..30).for_each(|n| info!(n, "often"));
        (0..5).for_each(|_| warn!(target: "db", "slow"));
    });
    let costs = logging.costs();
    assert_eq!(costs.len(), 2);
    let (slow, often) = (costs[0], costs[1]);
    assert_eq!((slow.target, slow.level, slow.lines, slow.suppressed), ("db", Level::WARN, 5, 0));
    assert_eq!((often.target, often.lines, often.suppressed), ("costs", 3, 27));
    assert_eq!(often.file, Some(file!()));
    assert!(often.line.is_some());
    assert_eq!(slow.bytes + often.bytes, kept.text().len() as u64);
    assert_eq!(slow.bytes + often.bytes, logging.counts().bytes);
}

#[test]
fn costs_of_ended_threads_are_included() {
    let (dispatch, _kept, logging) = kept(Builder::new());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                tracing::dispatcher::with_default(&dispatch, || {
                    (0..1000).for_each(|n| info!(n, "line"));
                });
            });
        }
    });
    // A scope ends before the thread-locals of its threads do.
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while logging.costs()[0].lines < 3000 && std::time::Instant::now() < end {
        std::thread::yield_now();
    }
    assert_eq!(logging.costs()[0].lines, 3000);
}
