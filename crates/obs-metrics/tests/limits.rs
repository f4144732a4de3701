//! How many series a family may have, and how they go.

use obs_metrics::Registry;

#[test]
fn label_sets_past_the_limit_share_one_series() {
    let registry = Registry::new();
    let family = registry.counter_vec("a_total", "A.", ["user"]).unwrap().limit_series(10);
    for user in 0..100 {
        family.with([&user.to_string()]).inc();
    }
    family.with(["3"]).inc();
    let text = registry.encode_text();
    assert_eq!(text.lines().filter(|line| line.starts_with("a_total{user=")).count(), 10);
    assert!(text.contains("a_total{otel_metric_overflow=\"true\"} 90\n"), "{text}");
    assert!(text.contains("a_total{user=\"3\"} 2\n"));
    assert!(text.contains("obs_metrics_overflow_total{metric=\"a_total\"} 90\n"));
    assert!(text.contains("obs_metrics_series 11\n"));
}

#[test]
fn removed_series_free_their_place_and_handles_stay_valid() {
    let registry = Registry::new();
    let family = registry.counter_vec("a_total", "A.", ["x", "y"]).unwrap().limit_series(3);
    let kept = family.handle(["1", "\\"]);
    kept.inc();
    family.with(["2", ""]).inc();
    family.with(["3", ""]).inc();
    family.with(["4", ""]).inc();
    assert!(family.remove(["1", "\\"]));
    assert!(!family.remove(["1", "\\"]));
    kept.inc();
    assert_eq!(kept.value(), 2);
    family.with(["4", ""]).inc();
    assert_eq!(family.retain(|[x, _]| x != "2"), 1);
    let text = registry.encode_text();
    assert!(!text.contains("x=\"1\"") && !text.contains("x=\"2\""), "{text}");
    assert!(text.contains("a_total{x=\"3\",y=\"\"} 1\na_total{x=\"4\",y=\"\"} 1\n"), "{text}");
    // A new series of the same labels starts from zero.
    family.with(["1", "\\"]).inc();
    assert_eq!(family.with(["1", "\\"]).value(), 1);
}

#[test]
fn observations_that_are_not_finite_are_left_out() {
    let registry = Registry::new();
    let sizes = registry.histogram("a_bytes", "A.", Default::default()).unwrap();
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0] {
        sizes.observe(value);
    }
    assert_eq!(sizes.count(), 1);
    assert!((sizes.sum() - 1.0).abs() < f64::EPSILON);
}

#[test]
fn idle_series_without_a_handle_expire_at_a_scrape() {
    let registry = Registry::new();
    let family = registry.counter_vec("a_total", "A.", ["x"]).unwrap();
    let family = family.expire_after(std::time::Duration::ZERO);
    let held = family.handle(["held"]);
    family.with(["idle"]).inc();
    family.with(["used"]).inc();
    assert!(registry.encode_text().contains("idle"));
    std::thread::sleep(std::time::Duration::from_millis(2));
    family.with(["used"]).inc();
    let text = registry.encode_text();
    assert!(!text.contains("idle"), "{text}");
    assert!(text.contains("a_total{x=\"held\"} 0\n") && text.contains("a_total{x=\"used\"} 2\n"));
    drop(held);
    std::thread::sleep(std::time::Duration::from_millis(2));
    assert!(!registry.encode_text().contains("a_total{x="));
    family.with(["idle"]).inc();
    assert_eq!(family.with(["idle"]).value(), 1);
}

#[test]
fn cardinality_lists_the_label_with_most_values_first() {
    let registry = Registry::new();
    let family =
        registry.counter_vec("a_total", "A.", ["user", "status"]).unwrap().limit_series(50);
    registry.gauge("b", "B.").unwrap();
    for user in 0..60 {
        family.with([&format!("u\"{user}"), if user % 10 == 0 { "500" } else { "200" }]).inc();
    }
    let cardinality = registry.cardinality();
    let first = &cardinality.families[0];
    assert_eq!(
        (&*first.name, first.series, first.limit, first.overflowed),
        ("a_total", 51, 50, 10)
    );
    assert_eq!((&*first.labels[0].name, first.labels[0].values), ("user", 50));
    let status = first.labels.iter().find(|label| label.name == "status").unwrap();
    assert_eq!(status.most_frequent, [("200".to_owned(), 45), ("500".to_owned(), 5)]);
    let table = cardinality.to_string();
    assert!(table.contains("      51  98.1%       50         10  a_total"), "{table}");
    let json = cardinality.to_json();
    assert!(
        json.starts_with("{\"series\":52,\"families\":[{\"name\":\"a_total\",\"series\":51,"),
        "{json}"
    );
    assert!(json.contains("{\"value\":\"u\\\"0\",\"series\":1}"), "{json}");
}

#[test]
fn counters_of_what_may_happen_are_zero_before_it_does() {
    let registry = Registry::new();
    registry.counter_vec("a_total", "A.", ["x"]).unwrap();
    registry.counter("b_total", "B.").unwrap();
    let text = registry.encode_text();
    assert!(text.contains("obs_metrics_overflow_total{metric=\"a_total\"} 0\n"), "{text}");
    assert!(!text.contains("{metric=\"b_total\"}"), "one series cannot overflow: {text}");
    for place in ["metrics.source", "http.handler", "logging.value"] {
        let series = format!("obs_application_panics_total{{place=\"{place}\"}} 0\n");
        assert!(text.contains(&series), "{series} is not in {text}");
    }
}
