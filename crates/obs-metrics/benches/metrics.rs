//! Counting, looking up and scraping, beside prometheus-client.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark has no users")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use obs_metrics::{Buckets, Registry};
use prometheus_client::metrics::counter::Counter as TheirCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram as TheirHistogram;

const LABELS: [&str; 3] = ["method", "path", "status"];
const VALUES: [&str; 3] = ["GET", "/orders/{id}", "200"];

type Theirs = Vec<(&'static str, &'static str)>;

fn their_labels() -> Theirs {
    LABELS.into_iter().zip(VALUES).collect()
}

fn buckets() -> Vec<f64> {
    vec![0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]
}

/// The cost of one call while `others` more threads make the same.
fn among(criterion: &mut Criterion, name: &str, who: &str, others: usize, call: impl Fn() + Sync) {
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..others {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    (0..1000).for_each(|_| call());
                }
            });
        }
        let id = BenchmarkId::new(who, others + 1);
        criterion.benchmark_group(name).bench_function(id, |bencher| bencher.iter(&call));
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

fn counting(criterion: &mut Criterion) {
    for others in [0, 1] {
        let registry = Registry::new();
        let ours = registry.counter("a_total", "A.").unwrap();
        among(criterion, "counter cached", "obs", others, || black_box(&ours).inc());
        let theirs = TheirCounter::<u64>::default();
        among(criterion, "counter cached", "prometheus-client", others, || {
            black_box(&theirs).inc();
        });

        let ours = registry.counter_vec("b_total", "B.", LABELS).unwrap();
        among(criterion, "counter lookup", "obs", others, || ours.with(black_box(VALUES)).inc());
        let theirs = Family::<Theirs, TheirCounter>::default();
        among(criterion, "counter lookup", "prometheus-client", others, || {
            theirs.get_or_create(&their_labels()).inc();
        });

        let ours = registry.histogram("c_seconds", "C.", Buckets::new(buckets())).unwrap();
        among(criterion, "histogram cached", "obs", others, || ours.observe(black_box(0.2)));
        let theirs = TheirHistogram::new(buckets());
        among(criterion, "histogram cached", "prometheus-client", others, || {
            theirs.observe(black_box(0.2));
        });

        let ours =
            registry.histogram_vec("d_seconds", "D.", LABELS, Buckets::new(buckets())).unwrap();
        among(criterion, "histogram lookup", "obs", others, || {
            ours.with(black_box(VALUES)).observe(0.2);
        });
        let theirs = Family::<Theirs, TheirHistogram>::new_with_constructor(|| {
            TheirHistogram::new(buckets())
        });
        among(criterion, "histogram lookup", "prometheus-client", others, || {
            theirs.get_or_create(&their_labels()).observe(0.2);
        });
    }
}

fn scraping(criterion: &mut Criterion) {
    let values: Vec<String> = (0..100_000).map(|number| format!("/path/{number}")).collect();
    let mut group = criterion.benchmark_group("scrape 100k counters");
    group.sample_size(20);
    let registry = Registry::new();
    let ours = registry.counter_vec("a_total", "A.", LABELS).unwrap().limit_series(200_000);
    for value in &values {
        ours.with(["GET", value, "200"]).inc();
    }
    group.bench_function("obs", |bencher| bencher.iter(|| registry.encode_openmetrics().len()));
    let mut theirs = prometheus_client::registry::Registry::default();
    let family = Family::<Vec<(&'static str, String)>, TheirCounter>::default();
    theirs.register("a", "A", family.clone());
    for value in &values {
        let labels = LABELS.into_iter().zip(["GET".into(), value.clone(), "200".into()]).collect();
        family.get_or_create(&labels).inc();
    }
    group.bench_function("prometheus-client", |bencher| {
        bencher.iter(|| {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &theirs).unwrap();
            text.len()
        });
    });
    group.finish();

    let mut group = criterion.benchmark_group("scrape 100k histogram lines");
    group.sample_size(20);
    let registry = Registry::new();
    let ours = registry.histogram_vec("a_seconds", "A.", LABELS, Buckets::new(buckets())).unwrap();
    let ours = ours.limit_series(200_000);
    for value in &values[..6_667] {
        ours.with(["GET", value, "200"]).observe(0.2);
    }
    group.bench_function("obs", |bencher| bencher.iter(|| registry.encode_openmetrics().len()));
    let mut theirs = prometheus_client::registry::Registry::default();
    let family =
        Family::<Vec<(&'static str, String)>, TheirHistogram>::new_with_constructor(|| {
            TheirHistogram::new(buckets())
        });
    theirs.register("a", "A", family.clone());
    for value in &values[..6_667] {
        let labels = LABELS.into_iter().zip(["GET".into(), value.clone(), "200".into()]).collect();
        family.get_or_create(&labels).observe(0.2);
    }
    group.bench_function("prometheus-client", |bencher| {
        bencher.iter(|| {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &theirs).unwrap();
            text.len()
        });
    });
    group.finish();
}

criterion_group!(benches, counting, scraping);
criterion_main!(benches);
