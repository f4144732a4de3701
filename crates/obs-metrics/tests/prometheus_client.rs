//! prometheus-client registries in ours, and ours in theirs.
#![cfg(feature = "prometheus-client")]

use obs_metrics::{Buckets, Registry};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry as Theirs, Unit};

#[test]
fn foreign_registry_is_shown_in_both_formats() {
    let mut theirs = Theirs::default();
    let requests = Family::<Vec<(String, String)>, Counter>::default();
    requests.get_or_create(&vec![("path".into(), "a\"}b".into())]).inc();
    theirs.register("requests", "Requests", requests);
    theirs.register_with_unit("wait", "Wait", Unit::Seconds, Histogram::new([0.5, 1.0]));
    theirs.register("build", "Build", Info::new([("version", "1.0")]));
    let ours = Registry::new();
    ours.mount_prometheus_client(theirs);

    let text = ours.encode_text();
    assert!(
        text.contains("# TYPE requests_total counter\nrequests_total{path=\"a\\\"}b\"} 1\n"),
        "{text}"
    );
    assert!(text.contains("# TYPE build_info gauge\nbuild_info{version=\"1.0\"} 1\n"), "{text}");
    assert!(text.contains("wait_seconds_bucket{le=\"0.5\"} 0\n"), "{text}");
    let text = ours.encode_openmetrics();
    assert!(text.contains("# TYPE requests counter\n"), "{text}");
    assert!(text.contains("# UNIT wait_seconds seconds\n"), "{text}");
    assert_eq!(text.matches("# EOF").count(), 1);
}

#[test]
fn foreign_lines_breaking_scrape_are_left_out_and_counted() {
    let mut theirs = Theirs::default();
    theirs.register("fine", "Has\n# HELP in it\nand \\ too", ConstCounter::new(1_u64));
    theirs.register("taken", "Ours already", Gauge::<i64>::default());
    theirs.register("twice", "Once", Gauge::<i64>::default());
    theirs.register("twice", "Again", Gauge::<i64>::default());
    theirs.register("unsorted", "Buckets", Histogram::new([2.0, 1.0]));
    theirs.register("not a name", "Spaces", Gauge::<i64>::default());
    let same_label = Family::<Vec<(String, String)>, Gauge>::default();
    let _ = same_label.get_or_create(&vec![("x".into(), "1".into()), ("x".into(), "2".into())]);
    theirs.register("same_label", "Labels", same_label);
    let ours = Registry::new();
    ours.gauge("taken", "First.").unwrap();
    ours.mount_prometheus_client(theirs);

    let text = ours.encode_text();
    assert!(text.contains("fine_total 1\n"), "{text}");
    assert_eq!(text.matches("# TYPE taken ").count(), 1, "{text}");
    assert_eq!(text.matches("# TYPE twice ").count(), 1, "{text}");
    for gone in ["unsorted", "not a name", "same_label"] {
        assert!(!text.contains(gone), "{gone}: {text}");
    }
    let again = ours.encode_text();
    let count =
        again.lines().find_map(|line| line.strip_prefix("obs_metrics_foreign_rejected_total "));
    assert!(count.unwrap().parse::<u64>().unwrap() >= 4, "{again}");
}

#[test]
fn foreign_native_histogram_does_not_fail_scrape() {
    let mut theirs = Theirs::default();
    theirs.register("before", "Before", Gauge::<i64>::default());
    theirs.register("native", "Native", NativeOnly);
    let ours = Registry::new();
    ours.gauge("own", "Own.").unwrap();
    ours.mount_prometheus_client(theirs);
    let text = ours.encode_text();
    assert!(text.contains("own 0\n") && text.contains("before 0\n"), "{text}");
    assert!(!text.contains("native"), "{text}");
}

#[derive(Debug)]
struct NativeOnly;

impl prometheus_client::encoding::EncodeMetric for NativeOnly {
    fn encode(
        &self,
        _: prometheus_client::encoding::MetricEncoder<'_>,
    ) -> Result<(), std::fmt::Error> {
        Err(std::fmt::Error)
    }

    fn metric_type(&self) -> prometheus_client::metrics::MetricType {
        prometheus_client::metrics::MetricType::Histogram
    }
}

/// What OpenMetrics has no place for: a strict parser would refuse the whole scrape.
fn with_impossible_values() -> Theirs {
    let mut theirs = Theirs::default();
    let cold = Histogram::new([-1.0, 0.0, 1.0]);
    cold.observe(-0.5);
    cold.observe(5.0);
    theirs.register("cold", "Bounds below zero", cold);
    let warm = Histogram::new([0.0, 1.0]);
    warm.observe(2.0);
    theirs.register("warm", "Bounds from zero on", warm);
    let minus = Histogram::new([0.0, 1.0]);
    minus.observe(-2.0);
    theirs.register("minus", "A sum below zero", minus);
    theirs.register("falls", "A counter below zero", ConstCounter::new(-1.0));
    theirs.register("nothing", "A counter without a value", ConstCounter::new(f64::NAN));
    theirs
}

#[test]
fn openmetrics_leaves_out_forbidden_sums_and_counters() {
    let ours = Registry::new();
    ours.mount_prometheus_client(with_impossible_values());
    let text = ours.encode_openmetrics();
    // And no count either, which there is with a sum alone.
    assert!(!text.contains("cold_sum") && !text.contains("minus_sum"), "{text}");
    assert!(
        text.contains("cold_bucket{le=\"-1\"} 0\n")
            || text.contains("cold_bucket{le=\"-1.0\"} 0\n"),
        "{text}"
    );
    assert!(!text.contains("cold_count") && text.contains("warm_sum 2"), "{text}");
    assert!(!text.contains("falls_total") && !text.contains("nothing_total"), "{text}");
    // The classic format has such sums, and no counters below zero either.
    let text = ours.encode_text();
    assert!(text.contains("cold_sum 4.5\n") && text.contains("minus_sum -2"), "{text}");
    assert!(!text.contains("falls_total") && !text.contains("nothing_total"), "{text}");
    let again = ours.encode_text();
    assert!(again.contains("rejected_total"), "{again}");
}

#[test]
fn registry_is_collector_for_prometheus_client() {
    let ours = Registry::new();
    ours.counter_vec("a_total", "A\nB.", ["x"]).unwrap().with(["\"1\""]).inc_by(3);
    ours.gauge("g", "G.").unwrap().set(1.5);
    ours.histogram("h_seconds", "H.", Buckets::new([1.0])).unwrap().observe(0.5);
    let mut theirs = Theirs::default();
    theirs.register_collector(Box::new(ours));
    let mut text = String::new();
    encode(&mut text, &theirs).unwrap();
    assert!(
        text.contains("# HELP a A\\nB.\n# TYPE a counter\na_total{x=\"\\\"1\\\"\"} 3\n"),
        "{text}"
    );
    assert!(text.contains("\ng 1.5\n"), "{text}");
    assert!(
        text.contains("h_seconds_bucket{le=\"1.0\"} 1\nh_seconds_bucket{le=\"+Inf\"} 1\n"),
        "{text}"
    );
}
