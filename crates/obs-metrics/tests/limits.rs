//! How many series a family may have, and how they go.

use obs_metrics::Registry;

#[test]
fn label_sets_past_limit_share_one_series() {
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
fn removed_series_free_capacity_and_handles_stay_valid() {
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
fn non_finite_observations_are_left_out() {
    let registry = Registry::new();
    let sizes = registry.histogram("a_bytes", "A.", Default::default()).unwrap();
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0] {
        sizes.observe(value);
    }
    assert_eq!(sizes.count(), 1);
    assert!((sizes.sum() - 1.0).abs() < f64::EPSILON);
}

#[test]
fn idle_series_without_handle_expire_at_scrape() {
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
fn cardinality_lists_label_with_most_values_first() {
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
fn registry_past_budget_sheds_series_of_largest_family() {
    let registry = Registry::builder().series_budget(80).build().unwrap();
    let users = registry.counter_vec("users_total", "U.", ["user"]).unwrap();
    let routes = registry.counter_vec("routes_total", "R.", ["route"]).unwrap();
    let plain = registry.counter_vec("plain_total", "P.", ["a"]).unwrap();
    for number in 0..1_000 {
        users.with([&number.to_string()]).inc();
        routes.with([&(number % 5).to_string()]).inc();
    }
    // The last eighth is not for the family that is larger than the mean.
    plain.with(["late"]).inc();
    registry.counter("single_total", "S.").unwrap().inc();
    let budget = registry.series_budget().unwrap();
    assert_eq!((budget.most, budget.series), (80, 72));
    assert_eq!(budget.shed, 1_000 - 65);
    let text = registry.encode_text();
    let count = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!((count("users_total{user="), count("routes_total{route=")), (65, 5));
    assert!(text.contains("users_total{otel_metric_overflow=\"true\"} 935\n"), "{text}");
    assert!(text.contains("plain_total{a=\"late\"} 1\n") && text.contains("single_total 1\n"));
    assert!(text.contains("obs_metrics_series_shed_total{metric=\"users_total\"} 935\n"));
    assert!(text.contains("obs_metrics_overflow_total{metric=\"users_total\"} 935\n"));
    assert!(text.contains("obs_metrics_series_shed_total{metric=\"routes_total\"} 0\n"));
}

#[test]
fn removed_series_free_budget_and_budget_can_be_lifted() {
    let registry = Registry::new();
    assert_eq!(registry.series_budget(), None);
    let family = registry.counter_vec("a_total", "A.", ["x"]).unwrap();
    registry.set_series_budget(Some(8));
    (0..20).for_each(|x| family.with([&x.to_string()]).inc());
    // One family alone is never larger than the mean.
    assert_eq!(registry.series_budget().map(|budget| (budget.series, budget.shed)), Some((8, 12)));
    assert_eq!(family.retain(|[x]| x != "3"), 1);
    family.with(["99"]).inc();
    family.with(["98"]).inc();
    assert_eq!(registry.series_budget().map(|budget| (budget.series, budget.shed)), Some((8, 13)));
    registry.set_series_budget(None);
    family.with(["98"]).inc();
    assert!(registry.encode_text().contains("a_total{x=\"98\"} 1\n"));
}

#[test]
fn threads_past_budget_keep_series_within_budget() {
    let registry = Registry::builder().series_budget(100).build().unwrap();
    let family = registry.counter_vec("a_total", "A.", ["x"]).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let family = &family;
            scope.spawn(move || {
                (0..500).for_each(|x| family.with([&format!("{thread}-{x}")]).inc());
            });
        }
    });
    let budget = registry.series_budget().unwrap();
    // Threads that make a series at the same moment may each take the last place.
    assert!((100..104).contains(&budget.series), "{budget:?}");
    let text = registry.encode_text();
    let all = text.lines().filter(|line| line.starts_with("a_total{"));
    let uses: u64 = all.filter_map(|line| line.split(' ').next_back()?.parse::<u64>().ok()).sum();
    assert_eq!(uses, 2_000);
}

#[test]
fn overflow_and_panic_counters_begin_at_zero() {
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
