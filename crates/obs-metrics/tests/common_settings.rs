//! What all metrics of a registry have in common, and label sets as structs.
#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::sync::Arc;

use obs_context::{Sample, SampleKind, Source};
use obs_metrics::{Buckets, Counter, Registry, TypedVec, labels, testing};

struct Numbers;

impl Source for Numbers {
    fn collect(&self, sink: &mut dyn FnMut(Sample<'_>)) {
        for labels in [&[("region", "us")][..], &[("kind", "x")]] {
            sink(Sample {
                name: if labels[0].0 == "kind" { "mounted_plain" } else { "mounted_region" },
                help: "Mounted.",
                kind: SampleKind::Gauge,
                labels,
                value: 1.0,
            });
        }
    }
}

#[test]
fn prefix_and_labels_are_on_every_series() {
    let registry = Registry::builder()
        .prefix("shop")
        .label("region", "eu \"west\"")
        .label("zone", "1")
        .build()
        .unwrap();
    registry.counter("a_total", "A.").unwrap().inc();
    registry.gauge_vec("b", "B.", ["x"]).unwrap().with(["1"]).set(2.0);
    let waits = registry.histogram("c_seconds", "C.", Buckets::new([1.0])).unwrap();
    waits.observe(0.5);
    registry.summary("d", "D.", &[0.5]).unwrap().observe(1.0);
    registry.state_set("e", "E.", &["on", "off"]).unwrap();
    registry.mount(Arc::new(Numbers));
    let text = registry.encode_text();
    let common = r#"region="eu \"west\"",zone="1""#;
    for line in [
        format!("shop_a_total{{{common}}} 1\n"),
        format!("shop_b{{x=\"1\",{common}}} 2\n"),
        format!("shop_c_seconds_bucket{{{common},le=\"1.0\"}} 1\n"),
        format!("shop_c_seconds_sum{{{common}}} 0.5\n"),
        format!("shop_d_count{{{common}}} 1\n"),
        format!("shop_e{{shop_e=\"on\",{common}}} 1\n"),
        format!("mounted_plain{{kind=\"x\",{common}}} 1\n"),
        "mounted_region{region=\"us\",zone=\"1\"} 1\n".to_owned(),
    ] {
        assert!(text.contains(&line), "{line} is not in {text}");
    }
    let error = registry.counter_vec("f_total", "F.", ["region"]).unwrap_err();
    assert!(error.to_string().contains("drop one"), "{error}");
}

#[test]
fn invalid_prefix_or_common_label_is_rejected() {
    for prefix in ["1", "a-b", "a_", " "] {
        assert!(Registry::builder().prefix(prefix).build().unwrap_err().is_invalid(), "{prefix:?}");
    }
    for label in ["", "le", "quantile", "__x", "a b", "otel_metric_overflow"] {
        assert!(Registry::builder().label(label, "x").build().unwrap_err().is_invalid(), "{label}");
    }
    let twice = Registry::builder().label("a", "1").label("a", "2").build();
    assert!(twice.unwrap_err().is_invalid());
}

#[test]
fn second_default_registry_is_rejected() {
    let installed = Registry::builder().prefix("first").install().unwrap();
    let counter = obs_metrics::counter("installed_total", "Installed.");
    counter.inc();
    assert_eq!(testing::sample(installed, "first_installed_total", &[]), Some(1.0));
    assert!(Registry::builder().install().unwrap_err().is_conflict());
}

#[test]
fn created_timestamps_are_shown_when_enabled() {
    let registry = Registry::builder().created_timestamps().build().unwrap();
    let plain = Registry::new();
    for registry in [&registry, &plain] {
        registry.counter_vec("a_total", "A.", ["x"]).unwrap().with(["1"]).inc();
        registry.histogram("b_seconds", "B.", Buckets::new([1.0])).unwrap();
        registry.summary("c", "C.", &[0.5]).unwrap();
        registry.gauge("d", "D.").unwrap();
    }
    let text = registry.encode_openmetrics();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    for series in ["a_created{x=\"1\"} ", "b_seconds_created ", "c_created "] {
        let line = text.lines().find_map(|line| line.strip_prefix(series)).unwrap();
        let created: f64 = line.parse().unwrap();
        assert!(created <= now && created > 1.7e9, "{line}");
    }
    assert_eq!(text.matches("_created").count(), 3, "{text}");
    assert!(!registry.encode_text().contains("_created"));
    assert!(!plain.encode_openmetrics().contains("_created"));
    assert!(registry.encode_protobuf().len() > plain.encode_protobuf().len());
}

labels! {
    enum Method { Card = "card", Transfer = "transfer" }

    struct Order<'a> { status: &'a str, method: Method, express: bool }

    struct Plain { region: String }
}

#[test]
fn label_struct_selects_series() {
    let registry = Registry::new();
    let orders: TypedVec<Counter, Order<'_>, 3> =
        registry.counter_vec("orders_total", "Orders.", Order::NAMES).unwrap().typed();
    let status = String::from("created");
    let card = Order { status: &status, method: Method::Card, express: true };
    orders.with(&card).inc();
    orders.handle(&card).inc();
    orders.with(&Order { method: Method::Transfer, express: false, ..card.clone() }).inc();
    let labels = [("status", "created"), ("method", "card"), ("express", "true")];
    assert_eq!(testing::sample(&registry, "orders_total", &labels), Some(2.0));
    assert_eq!(orders.untyped().with(["created", "transfer", "false"]).value(), 1);
    assert!(orders.remove(&card) && !orders.remove(&card));

    let mismatched = registry.gauge_vec("other", "Other.", ["zone"]).unwrap().typed();
    mismatched.with(&Plain { region: "eu".into() }).set(1.0);
    assert_eq!(testing::sample(&registry, "other", &[("zone", "eu")]), Some(1.0));
    let failed = testing::sample(&registry, "obs_metrics_registrations_failed_total", &[]);
    assert_eq!(failed, Some(1.0));
}
