//! A log with a ceiling on its bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod common;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::kept;
use obs_logging::{Builder, Logging};
use tracing::{debug, error, info, trace, warn};

const BYTES_PER_SECOND: u64 = 100_000;

/// Lines that the budget has shed, by level.
fn shed(logging: &Logging) -> BTreeMap<String, u64> {
    let mut shed = BTreeMap::new();
    logging.source().collect(&mut |sample| {
        if sample.name == "obs_log_lines_shed_total" {
            let (_, level) = sample.labels.iter().find(|(name, _)| *name == "level").unwrap();
            shed.insert((*level).to_owned(), sample.value as u64);
        }
    });
    shed
}

#[test]
fn threads_past_budget_shed_and_count_cheapest_lines() {
    let (dispatch, kept, logging) = kept(Builder::new().filter("trace").budget(BYTES_PER_SECOND));
    let begun = Instant::now();
    let rounds: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    tracing::dispatcher::with_default(&dispatch, || {
                        let mut rounds = 0_u64;
                        while begun.elapsed() < Duration::from_secs(2) {
                            trace!(rounds, "a step");
                            debug!(rounds, "a detail");
                            (0..5).for_each(|part| info!(rounds, part, "a part was done"));
                            if rounds.is_multiple_of(100) {
                                error!(rounds, "it failed");
                            }
                            rounds += 1;
                            std::thread::sleep(Duration::from_millis(1));
                        }
                        rounds
                    })
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let seconds = begun.elapsed().as_secs_f64();
    let lines = kept.lines();
    let written = |level: &str| lines.iter().filter(|line| line["level"] == level).count() as u64;
    let shed = shed(&logging);
    let text = kept.text();
    let errors = text.lines().filter(|line| line.contains("it failed")).map(str::len);
    let (errors, error_bytes) = (errors.clone().count() as u64, errors.sum::<usize>());
    assert!(errors >= rounds / 100 && shed["error"] == 0, "{errors} of {rounds}, {shed:?}");
    assert_eq!(written("trace") + shed["trace"], rounds);
    assert_eq!(written("debug") + shed["debug"], rounds);
    assert_eq!(written("info") + shed["info"], 5 * rounds);
    let bytes = text.len() - error_bytes;
    let allowed = BYTES_PER_SECOND as f64 * (seconds + 1.0) * 1.05;
    assert!((bytes as f64) < allowed, "{bytes} bytes of {allowed} in {seconds} s");
    assert!(written("debug") < rounds && written("trace") <= written("debug"), "{shed:?}");
    let counted: u64 = logging.costs().iter().map(|cost| cost.shed).sum();
    assert_eq!(counted, shed.values().sum::<u64>());
    assert_eq!(logging.budget().unwrap().shed, counted);
}

#[test]
fn lines_after_shedding_have_suppressed_and_shed_counts() {
    let (dispatch, kept, logging) = kept(Builder::new().budget(1_000));
    let begun = Instant::now();
    let mut lines = 0_u64;
    tracing::dispatcher::with_default(&dispatch, || {
        while !kept.text().contains("is past its budget") {
            info!(n = 1, "round and round");
            lines += 1;
            assert!(begun.elapsed() < Duration::from_secs(60), "no warning: {}", kept.text());
            std::thread::sleep(Duration::from_millis(5));
        }
        warn!("the end");
    });
    let written = kept.lines();
    let said = written.iter().find(|line| line["target"] == "obs_logging").unwrap();
    assert_eq!((&said["level"], &said["budget_bytes_per_second"]), (&"warn".into(), &1_000.into()));
    let callsite = said["loudest_callsite"].as_str().unwrap();
    assert!(
        callsite.starts_with("info budget ") && callsite.contains("tests/budget.rs:"),
        "{said:?}"
    );
    let suppressed: u64 = written.iter().filter_map(|line| line["suppressed"].as_u64()).sum();
    let shed = logging.budget().unwrap().shed;
    assert!(suppressed > 0 && suppressed <= shed, "{suppressed} of {shed}");
    assert!(said["shed"].as_u64().unwrap() > 0 && shed < lines);
}

#[test]
fn log_without_budget_reports_no_budget() {
    let (_dispatch, _kept, logging) = kept(Builder::new());
    assert_eq!(logging.budget(), None);
    assert!(shed(&logging).is_empty());
}
