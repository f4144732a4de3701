//! Series that come and go while somebody uses them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use obs_metrics::Registry;

#[test]
fn handle_taken_during_expiry_counts_into_shown_series() {
    let registry = Registry::new();
    let family = registry.counter_vec("a_total", "A.", ["x"]).unwrap().expire_after(Duration::ZERO);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                registry.encode_text();
            }
        });
        for round in 0..20_000 {
            let handle = family.handle(["a"]);
            handle.inc();
            let same = family.handle(["a"]);
            assert_eq!(handle.value(), same.value(), "round {round}: a handle outlived its series");
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn series_at_reused_address_does_not_inherit_age() {
    let registry = Registry::new();
    let idle = Duration::from_millis(200);
    let family = registry.counter_vec("a_total", "A.", ["x"]).unwrap().expire_after(idle);
    family.with(["a"]).inc();
    registry.encode_text();
    std::thread::sleep(idle * 2);
    // The same size and the same number: whatever remembers the first one would take the second for it.
    for _ in 0..100 {
        family.remove(["a"]);
        registry.gauge_vec("other", "Frees what was removed.", ["x"]).unwrap();
        family.with(["a"]).inc();
    }
    assert!(registry.encode_text().contains("a_total{x=\"a\"} 1"), "expired before it was shown");
}

#[test]
fn retain_may_use_family_and_removes_nothing_on_panic() {
    let registry = Registry::new();
    let family = registry.counter_vec("a_total", "A.", ["x"]).unwrap();
    for value in ["a", "b", "c"] {
        family.with([value]).inc();
    }
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        family.retain(|[x]| if x == "b" { panic!("in retain") } else { false })
    }));
    assert!(panicked.is_err());
    let shown = registry.encode_text();
    assert!(["a", "b", "c"].iter().all(|x| shown.contains(&format!("a_total{{x=\"{x}\"}} 1"))));
    let removed = family.retain(|[x]| {
        family.with([x]).inc();
        family.with(["seen"]).inc();
        x != "b"
    });
    assert_eq!(removed, 1);
    let shown = registry.encode_text();
    assert!(shown.contains("a_total{x=\"a\"} 2") && !shown.contains("x=\"b\""), "{shown}");
    assert!(shown.contains("a_total{x=\"seen\"} 3"), "{shown}");
}

#[test]
fn label_values_past_limit_use_overflow_series() {
    let registry = Registry::new();
    let family = registry.counter_vec("a_total", "A.", ["x", "y"]).unwrap();
    let long = "long".repeat(1 << 20);
    family.with([&long, "y"]).inc();
    family.with(["x", &long[..4096]]).inc();
    family.with(["x", &long[..4095]]).inc();
    let shown = registry.encode_text();
    assert!(shown.contains("a_total{otel_metric_overflow=\"true\"} 2"), "{}", shown.len());
    assert!(shown.contains("obs_metrics_overflow_total{metric=\"a_total\"} 2"));
    assert!(shown.len() < 10_000);
}
