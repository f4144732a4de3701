//! Many threads count, scrape, and remove at once; nothing is lost, torn or freed too early.
#![allow(clippy::unwrap_used, reason = "helpers of tests may say that something cannot fail")]

use std::sync::atomic::{AtomicBool, Ordering};

use obs_metrics::{Buckets, Registry};

/// The numbers of every histogram line, so that count and buckets can be compared.
fn bucket_and_count(text: &str) -> (u64, u64) {
    let number = |prefix: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(prefix)).unwrap();
        line.split(' ').next().unwrap().parse().unwrap()
    };
    (number("a_seconds_bucket{le=\"+Inf\"} "), number("a_seconds_count "))
}

#[test]
fn count_in_scrape_is_sum_of_buckets() {
    let registry = Registry::new();
    let histogram = registry.histogram("a_seconds", "A.", Buckets::default()).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..3)
            .map(|worker| {
                let histogram = &histogram;
                scope.spawn(move || {
                    for number in 0..20_000 {
                        histogram.observe(f64::from(number % 13) + f64::from(worker));
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            let mut former = 0;
            while !done.load(Ordering::Relaxed) {
                let (buckets, count) = bucket_and_count(&registry.encode_text());
                assert_eq!(buckets, count);
                assert!(count >= former, "a count never shrinks");
                former = count;
            }
        });
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(bucket_and_count(&registry.encode_text()), (60_000, 60_000));
    let sum: u64 = (0..20_000).map(|number| number % 13).sum();
    assert!((histogram.sum() - (3 * sum + 60_000) as f64).abs() < 1e-6);
}

#[test]
fn counts_of_ended_threads_are_kept() {
    let registry = Registry::new();
    let counter = registry.counter("a_total", "A.").unwrap();
    for _ in 0..100 {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..100).for_each(|_| counter.inc()));
            }
        });
    }
    assert_eq!(counter.value(), 40_000);
}

#[test]
fn counts_of_more_threads_than_slabs_are_kept() {
    let registry = Registry::new();
    let family = registry.counter_vec("a_total", "A.", ["x"]).unwrap();
    let barrier = std::sync::Barrier::new(400);
    std::thread::scope(|scope| {
        for _ in 0..400 {
            scope.spawn(|| {
                barrier.wait();
                (0..50).for_each(|_| family.with(["1"]).inc());
                barrier.wait();
            });
        }
    });
    assert_eq!(family.with(["1"]).value(), 20_000);
}

#[test]
fn gauges_return_to_zero() {
    let registry = Registry::new();
    let gauge = registry.gauge("a", "A.").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10_000 {
                    drop(gauge.track());
                }
            });
        }
    });
    assert!(gauge.value().abs() < f64::EPSILON);
}

#[test]
fn concurrent_lookups_removals_growth_and_scrapes_are_safe() {
    let registry = Registry::new();
    let family = registry.counter_vec("a_total", "A.", ["x", "y"]).unwrap().limit_series(500);
    let stable = family.handle(["stable", ""]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2_u64)
            .map(|worker| {
                let family = &family;
                scope.spawn(move || {
                    for number in 0..8_000_u64 {
                        let value = (number.wrapping_mul(worker + 7) % 700).to_string();
                        let child = family.with([&value, "y"]);
                        child.inc();
                        assert!(child.value() >= 1);
                        family.with(["stable", ""]).inc();
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                family.retain(|[x, _]| x == "stable" || x.len() < 3);
                family.remove(["7", "y"]);
                let text = registry.encode_openmetrics();
                assert!(text.ends_with("# EOF\n"));
            }
        });
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(stable.value(), 16_000);
}
