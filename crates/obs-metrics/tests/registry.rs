//! Registration: what is refused, and what is the same metric. Several tests are named after a defect
//! of prometheus-client 0.25.2 that cannot happen here.

use std::sync::Arc;

use obs_context::{Sample, SampleKind, Source};
use obs_metrics::{Buckets, Registry};

#[test]
fn same_definition_returns_same_metric() {
    let registry = Registry::new();
    registry.counter_vec("a_total", "A.", ["x"]).unwrap().with(["1"]).inc();
    registry.counter_vec("a_total", "A.", ["x"]).unwrap().with(["1"]).inc();
    assert!(registry.encode_text().contains("a_total{x=\"1\"} 2\n"));

    let first = registry.histogram("b_seconds", "B.", Buckets::new([1.0, 2.0])).unwrap();
    let second = registry.histogram("b_seconds", "B.", Buckets::new([1.0, 2.0])).unwrap();
    first.observe(1.5);
    assert_eq!(second.count(), 1);
}

#[test]
fn conflicting_definition_is_rejected_with_both_locations() {
    let registry = Registry::new();
    let first = line!() + 1;
    registry.counter("a_total", "A.").unwrap();
    let error = registry.counter_vec("a_total", "A.", ["x"]).unwrap_err();
    assert!(error.is_conflict());
    let text = error.to_string();
    assert!(text.contains(&format!("registry.rs:{first}:")), "{text}");
    assert!(text.contains(&format!("registry.rs:{}:", first + 1)), "{text}");
    assert!(text.contains("with labels [x]"), "{text}");

    for (help, bounds) in [("Other.", [1.0]), ("B.", [2.0])] {
        registry.histogram("b_seconds", "B.", Buckets::new([1.0])).unwrap();
        let error = registry.histogram("b_seconds", help, Buckets::new(bounds)).unwrap_err();
        assert!(error.is_conflict(), "{error}");
    }
}

#[test]
fn series_name_of_another_family_is_rejected() {
    let registry = Registry::new();
    registry.counter("jobs_total", "Jobs.").unwrap();
    // In OpenMetrics the counter's family is `jobs`.
    assert!(registry.gauge("jobs", "Jobs.").unwrap_err().is_conflict());
    registry.histogram("size_bytes", "Size.", Buckets::default()).unwrap();
    for taken in ["size_bytes_bucket", "size_bytes_sum", "size_bytes_count"] {
        assert!(registry.gauge(taken, "Clash.").is_err());
    }
}

#[test]
fn names_are_validated() {
    let registry = Registry::new();
    for name in ["", "1a", "a-b", "ä", "a b", "job:a", "a\nb", "a{b}"] {
        assert!(registry.gauge(name, "A.").unwrap_err().is_invalid(), "{name:?}");
        assert!(registry.counter(&format!("{name}_total"), "A.").is_err(), "{name:?}");
    }
    for name in ["a_total", "a_bucket", "a_sum", "a_count", "a_created"] {
        let error = registry.gauge(name, "A.").unwrap_err();
        assert!(error.to_string().contains("rename it"), "{error}");
    }
    assert!(registry.gauge("build_info", "A.").is_ok());
    assert!(registry.gauge("a", " ").unwrap_err().to_string().contains("give one sentence"));
}

#[test]
fn label_names_are_validated_and_not_duplicated() {
    let registry = Registry::new();
    for label in ["", "1a", "a-b", "__name", "a\"b", "otel_metric_overflow"] {
        assert!(registry.gauge_vec("a", "A.", [label]).unwrap_err().is_invalid(), "{label:?}");
    }
    let error = registry.gauge_vec("a", "A.", ["x", "y", "x"]).unwrap_err();
    assert!(error.to_string().contains("given twice"), "{error}");
    assert!(registry.histogram_vec("a", "A.", ["le"], Buckets::default()).is_err());
    assert!(registry.gauge_vec("a", "A.", ["le"]).is_ok());
}

#[test]
fn counter_name_ends_in_one_total() {
    let registry = Registry::new();
    let error = registry.counter("orders", "Orders.").unwrap_err();
    assert!(error.to_string().contains("name it `orders_total`"), "{error}");
    assert!(registry.counter("orders_total_total", "Orders.").is_err());
    registry.counter("orders_total", "Orders.").unwrap().inc();
    for text in [registry.encode_text(), registry.encode_openmetrics()] {
        assert!(text.contains("\norders_total 1\n"), "{text}");
        assert!(!text.contains("total_total"), "{text}");
    }
}

#[test]
fn buckets_are_finite_sorted_and_distinct() {
    let registry = Registry::new();
    let wrong: [&[f64]; 6] =
        [&[], &[1.0, 0.5], &[1.0, 1.0], &[f64::NAN], &[1.0, f64::INFINITY], &[0.0, -0.0]];
    for bounds in wrong {
        let error = registry.histogram("a_seconds", "A.", Buckets::new(bounds)).unwrap_err();
        assert!(error.is_invalid(), "{bounds:?}");
    }
    let many = Buckets::linear(0.0, 1.0, 501);
    assert!(registry.histogram("a_seconds", "A.", many).is_err());
    for objective in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e308] {
        assert!(registry.histogram("a_seconds", "A.", Buckets::around(objective)).is_err());
    }
}

#[test]
fn help_with_special_characters_is_escaped() {
    let registry = Registry::new();
    registry.gauge("a", "One\nline, a \\ and a \" quote.").unwrap();
    let text = registry.encode_text();
    assert!(text.contains("# HELP a One\\nline, a \\\\ and a \" quote.\n"), "{text}");
    let text = registry.encode_openmetrics();
    assert!(text.contains("# HELP a One\\nline, a \\\\ and a \\\" quote.\n"), "{text}");
}

#[test]
fn two_children_held_at_once_do_not_deadlock() {
    let registry = Registry::new();
    let family = registry.gauge_vec("a", "A.", ["x"]).unwrap();
    let (one, two) = (family.with(["1"]), family.with(["2"]));
    one.set(two.value() + 3.0);
    let sum = family.with(["1"]).value() + family.with(["never seen"]).value();
    assert!((sum - 3.0).abs() < f64::EPSILON);
}

struct Odd;

impl Source for Odd {
    fn collect(&self, sink: &mut dyn FnMut(Sample<'_>)) {
        let sample = Sample {
            name: "obs_lines_total",
            help: "Lines.",
            kind: SampleKind::Counter,
            labels: &[("level", "in\"fo")],
            value: 2.0,
        };
        sink(sample);
        sink(sample); // the same series again
        sink(Sample { labels: &[("other", "x")], ..sample });
        sink(Sample { name: "a", kind: SampleKind::Gauge, labels: &[], ..sample });
        sink(Sample { name: "not a name", ..sample });
        // In OpenMetrics the counter is the family `obs_odd` too.
        sink(Sample { name: "obs_odd_total", ..sample });
        sink(Sample { name: "obs_odd", kind: SampleKind::Gauge, labels: &[], ..sample });
        sink(Sample { name: "obs_queue", kind: SampleKind::Gauge, labels: &[], ..sample });
    }
}

#[test]
fn source_is_shown_and_invalid_samples_are_counted() {
    let registry = Registry::new();
    registry.gauge("a", "A.").unwrap();
    registry.mount(Arc::new(Odd));
    let text = registry.encode_text();
    assert!(
        text.contains("# TYPE obs_lines_total counter\nobs_lines_total{level=\"in\\\"fo\"} 2\n")
    );
    assert!(text.contains("# HELP obs_queue Lines.\n# TYPE obs_queue gauge\nobs_queue 2\n"));
    assert_eq!(text.matches("# TYPE a gauge").count(), 1);
    assert!(!text.contains("not a name"));
    assert_eq!(text.matches("# TYPE obs_odd").count(), 1, "{text}");
    let text = registry.encode_text();
    let rejected =
        text.lines().find_map(|line| line.strip_prefix("obs_metrics_samples_rejected_total "));
    assert!(rejected.unwrap().parse::<u64>().unwrap() >= 4, "{text}");
}

#[test]
fn default_registry_with_invalid_definition_returns_metric() {
    let refused = obs_metrics::counter_vec("no counter", "", ["__x"]);
    refused.with(["1"]).inc();
    assert_eq!(refused.with(["1"]).value(), 1);
    let text = obs_metrics::default_registry().encode_text();
    assert!(!text.contains("no counter"), "{text}");
    assert!(text.contains("obs_metrics_registrations_failed_total 1\n"), "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn process_metrics_registered_twice_are_shown_once() {
    let registry = Registry::new();
    obs_metrics::collect::process(&registry).unwrap();
    obs_metrics::collect::process(&registry).unwrap();
    let text = registry.encode_text();
    for name in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_virtual_memory_bytes",
        "process_open_fds",
        "process_max_fds",
        "process_threads",
        "process_start_time_seconds",
    ] {
        let value =
            text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
        assert!(value.parse::<f64>().unwrap() >= 0.0, "{name} {value}");
        assert_eq!(text.matches(&format!("# TYPE {name} ")).count(), 1);
    }
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn tokio_runtime_is_shown() {
    let registry = Registry::new();
    obs_metrics::collect::tokio(&registry, tokio::runtime::Handle::current());
    let text = registry.encode_text();
    assert!(text.contains("tokio_workers 1\n"), "{text}");
    assert!(text.contains("tokio_worker_parks_total{worker=\"0\"} "), "{text}");
    assert!(text.contains("tokio_worker_busy_seconds_total{worker=\"0\"} "), "{text}");
}

#[test]
fn info_state_set_and_summary_definitions_are_validated() {
    let registry = Registry::new();
    registry.info("build_info", "Build.", [("version", "1")]).unwrap();
    registry.info("build_info", "Build.", [("version", "1")]).unwrap();
    assert!(registry.info("build_info", "Build.", [("version", "2")]).unwrap_err().is_conflict());
    assert!(registry.info("build", "Build.", [("version", "2")]).unwrap_err().is_invalid());
    for states in [&[][..], &["a", "a"]] {
        assert!(registry.state_set("phase", "Phase.", states).unwrap_err().is_invalid());
    }
    for quantiles in [&[0.5, 0.5][..], &[1.5], &[f64::NAN], &[0.9, 0.1]] {
        assert!(registry.summary("rows", "Rows.", quantiles).unwrap_err().is_invalid());
    }
    assert!(registry.summary_vec("rows", "Rows.", ["quantile"], &[]).unwrap_err().is_invalid());
}

#[test]
fn lint_advises_on_names_units_and_labels() {
    let registry = Registry::new();
    registry.counter_vec("orders_total", "Orders.", ["status"]).unwrap();
    registry.histogram("wait_duration_seconds", "Wait.", Buckets::default()).unwrap();
    assert!(registry.lint().is_empty(), "{:?}", registry.lint());

    registry.gauge("cacheSize_kilobytes", "Cache.").unwrap();
    registry.histogram("db_latency", "Latency.", Buckets::default()).unwrap();
    registry.counter_vec("login_counter_total", "Logins.", ["user_id"]).unwrap();
    let advice = registry.lint().join("\n");
    for expected in [
        "`cacheSize_kilobytes` is in kilobytes: use the base unit, bytes",
        "`cacheSize_kilobytes` has capitals",
        "`db_latency` is a duration without a unit",
        "`login_counter_total` names its type",
        "`login_counter_total` has the label `user_id`",
        "tests/registry.rs:",
    ] {
        assert!(advice.contains(expected), "{expected}: {advice}");
    }
}

/// A source whose numbers change from scrape to scrape.
struct Moody(std::sync::atomic::AtomicUsize);

impl Source for Moody {
    fn collect(&self, sink: &mut dyn FnMut(Sample<'_>)) {
        let scrape = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut tell = |name, help, label: (&'static str, &str)| {
            sink(Sample { name, help, kind: SampleKind::Gauge, labels: &[label], value: 1.0 });
        };
        match scrape {
            0 => tell("mood", "Mood.", ("of", "a")),
            1 => tell("mood", "Mood.", ("of", "b")),
            2 => tell("mood", "Mood now.", ("whose", "b")),
            3 => tell("other", "Another.", ("of", "a")),
            _ => {}
        }
    }
}

#[test]
fn source_changing_between_scrapes_shows_latest_series() {
    let registry = Registry::new();
    registry.mount(Arc::new(Moody(0.into())));
    let shown = || {
        let text = registry.encode_text();
        let lines = text.lines().filter(|line| line.contains("mood") || line.contains("other"));
        lines.map(str::to_owned).collect::<Vec<_>>().join("|")
    };
    assert_eq!(shown(), "# HELP mood Mood.|# TYPE mood gauge|mood{of=\"a\"} 1");
    assert_eq!(shown(), "# HELP mood Mood.|# TYPE mood gauge|mood{of=\"b\"} 1");
    assert_eq!(shown(), "# HELP mood Mood now.|# TYPE mood gauge|mood{whose=\"b\"} 1");
    assert_eq!(shown(), "# HELP other Another.|# TYPE other gauge|other{of=\"a\"} 1");
    assert_eq!(shown(), "");
}
