//! Sources and collectors of the application that panic, block or fail.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use obs_context::{Sample, SampleKind, Source};
use obs_metrics::Registry;

fn give(sink: &mut dyn FnMut(Sample<'_>), name: &'static str) {
    sink(Sample { name, help: "A source.", kind: SampleKind::Gauge, labels: &[], value: 1.0 });
}

struct Steady(&'static str);

impl Source for Steady {
    fn collect(&self, sink: &mut dyn FnMut(Sample<'_>)) {
        give(sink, self.0);
    }
}

struct Panicking;

impl Source for Panicking {
    fn collect(&self, sink: &mut dyn FnMut(Sample<'_>)) {
        give(sink, "given_before_the_panic");
        panic!("in a source");
    }
}

/// Answers when it is told to.
struct Blocking {
    begun: Mutex<Sender<()>>,
    go_on: Mutex<Receiver<()>>,
    calls: AtomicUsize,
}

impl Blocking {
    fn new() -> (Arc<Self>, Receiver<()>, Sender<()>) {
        let (begun, has_begun) = channel();
        let (go, go_on) = channel();
        let (begun, go_on, calls) = (Mutex::new(begun), Mutex::new(go_on), AtomicUsize::new(0));
        (Arc::new(Self { begun, go_on, calls }), has_begun, go)
    }
}

impl Source for Blocking {
    fn collect(&self, sink: &mut dyn FnMut(Sample<'_>)) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let _ = self.begun.lock().unwrap().send(());
        let _ = self.go_on.lock().unwrap().recv();
        give(sink, "blocking");
    }
}

#[test]
fn panicking_source_loses_no_other_samples_and_is_counted() {
    let registry = Registry::new();
    registry.counter("own_total", "Own.").unwrap().inc();
    registry.mount(Arc::new(Steady("before")));
    registry.mount(Arc::new(Panicking));
    registry.mount(Arc::new(Steady("after")));
    for _ in 0..20 {
        let text = registry.encode_text();
        for line in ["own_total 1\n", "before 1\n", "given_before_the_panic 1\n", "after 1\n"] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }
    let text = registry.encode_text();
    assert!(text.contains("obs_application_panics_total{place=\"metrics.source\"}"), "{text}");
}

#[cfg(feature = "http")]
mod scrapes {
    use super::*;
    use obs_metrics::Endpoint;

    fn scrape(endpoint: &Endpoint, timeout: &str) -> (http::StatusCode, String) {
        let request = http::Request::get("/metrics");
        let request = request.header("x-prometheus-scrape-timeout-seconds", timeout).body(());
        let response = endpoint.respond(&request.unwrap().into_parts().0);
        (response.status(), String::from_utf8(response.body().to_vec()).unwrap())
    }

    #[test]
    fn panicking_source_never_disables_endpoint() {
        let registry = Registry::new();
        registry.mount(Arc::new(Panicking));
        let endpoint = Endpoint::new(registry);
        for _ in 0..20 {
            assert_eq!(scrape(&endpoint, "10").0, http::StatusCode::OK);
        }
    }

    #[test]
    fn blocked_source_is_left_out_until_return() {
        let registry = Registry::new();
        let (blocking, has_begun, go) = Blocking::new();
        registry.mount(Arc::new(Steady("before")));
        registry.mount(blocking.clone());
        registry.mount(Arc::new(Steady("after")));
        let endpoint = Endpoint::new(registry);

        // The scrape goes on at its deadline, with what was there; the scraper gets its answer.
        let (status, text) = scrape(&endpoint, "0.5");
        has_begun.recv().unwrap();
        assert_eq!(status, http::StatusCode::OK, "{text}");
        assert!(text.contains("before 1\n") && !text.contains("blocking"), "{text}");
        assert!(text.contains("obs_metrics_sources_late_total"), "{text}");

        // Those that follow wait for nothing: another thread asks the others.
        for _ in 0..3 {
            let (status, text) = scrape(&endpoint, "60");
            assert_eq!(status, http::StatusCode::OK);
            assert!(text.contains("before 1\n") && text.contains("after 1\n"), "{text}");
            assert!(!text.contains("blocking"), "{text}");
        }
        assert_eq!(blocking.calls.load(Ordering::Relaxed), 1, "a stuck source is not asked again");

        go.send(()).unwrap();
        drop(go);
        let is_back = (0..1_000).any(|_| {
            std::thread::sleep(Duration::from_millis(5));
            scrape(&endpoint, "60").1.contains("blocking 1\n")
        });
        assert!(is_back, "a source that answers again is shown again");
    }

    #[test]
    fn scrape_timeout_header_of_any_value_is_answered() {
        let endpoint = Endpoint::new(Registry::new());
        for timeout in
            ["0", "-1", "NaN", "inf", "1e300", "1e-300", "", "ten", "18446744073709551615"]
        {
            let (status, text) = scrape(&endpoint, timeout);
            // Nothing is answered within no time at all.
            let expected = matches!(timeout, "0" | "1e-300");
            assert_eq!(
                status == http::StatusCode::SERVICE_UNAVAILABLE,
                expected,
                "{timeout}: {text}"
            );
        }
    }
}

#[cfg(feature = "prometheus-client")]
mod foreign {
    use super::*;
    use prometheus_client::collector::Collector;
    use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
    use prometheus_client::metrics::counter::ConstCounter;
    use prometheus_client::metrics::gauge::ConstGauge;
    use prometheus_client::registry::Registry as Theirs;

    #[derive(Debug)]
    enum How {
        AtOnce,
        AfterOne,
        Panics,
    }

    impl Collector for How {
        fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
            match self {
                Self::AtOnce => Err(std::fmt::Error),
                Self::AfterOne => {
                    let gauge = ConstGauge::new(7_i64);
                    let metric =
                        encoder.encode_descriptor("one", "One", None, gauge.metric_type())?;
                    gauge.encode(metric)?;
                    Err(std::fmt::Error)
                }
                Self::Panics => panic!("in a collector"),
            }
        }
    }

    #[test]
    fn failing_collector_leaves_other_families_in() {
        for how in [How::AtOnce, How::AfterOne, How::Panics] {
            let what = format!("{how:?}");
            let mut theirs = Theirs::default();
            theirs.register("innocent", "Complete", ConstCounter::new(3_u64));
            theirs.register_collector(Box::new(how));
            let mut other = Theirs::default();
            other.register("other", "Another registry", ConstCounter::new(4_u64));
            let ours = Registry::new();
            ours.mount_prometheus_client(theirs);
            ours.mount_prometheus_client(other);
            let text = ours.encode_openmetrics();
            assert!(text.contains("innocent_total 3\n"), "{what}: {text}");
            assert!(text.contains("other_total 4\n"), "{what}: {text}");
            assert!(text.ends_with("# EOF\n"));
            let again = ours.encode_text();
            assert!(!again.contains("obs_metrics_foreign_rejected_total 0\n"), "{what}: {again}");
        }
    }
}

#[test]
fn negative_sums_are_left_out_of_openmetrics() {
    let registry = Registry::new();
    let drift =
        registry.histogram("drift_seconds", "D.", obs_metrics::Buckets::new([-1.0, 0.0, 1.0]));
    drift.unwrap().observe(-0.5);
    let above =
        registry.histogram("above_seconds", "A.", obs_metrics::Buckets::new([1.0])).unwrap();
    above.observe(-0.5);
    registry.summary("balance", "B.", &[0.5]).unwrap().observe(-3.0);
    let text = registry.encode_openmetrics();
    assert!(!text.contains("_sum"), "{text}");
    // A histogram has a count if and only if it has a sum.
    assert!(!text.contains("_seconds_count") && text.contains("balance_count 1\n"), "{text}");
    above.observe(2.0);
    assert!(registry.encode_openmetrics().contains("above_seconds_sum 1.5\n"));
    // The text format says nothing about them.
    assert!(registry.encode_text().contains("drift_seconds_sum -0.5\n"));
}
