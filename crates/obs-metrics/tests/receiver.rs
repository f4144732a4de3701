//! A real OTLP receiver, written by others, reads our pushes: rotel of PyPI.
#![cfg(feature = "otlp-push")]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test, which says what it skips")]

use std::time::Duration;

use obs_metrics::{Buckets, Push, Registry};
use obs_testing::{Rotel, Signal};

#[test]
fn understands_what_we_push() {
    let Some(rotel) = Rotel::start(Signal::Metrics) else { return };
    let registry = Registry::builder().label("region", "eu").build().unwrap();
    registry.counter_vec("orders_total", "Orders.", ["by"]).unwrap().with(["wörds"]).inc_by(4711);
    registry.gauge("queue_bytes", "Queue.").unwrap().set(-1.25);
    let waits = registry.histogram("wait_seconds", "Wait.", Buckets::new([0.125, 1.0])).unwrap();
    [0.0625, 0.5, 7.0].iter().for_each(|value| waits.observe(*value));
    let push = Push::new(format!("{}/v1/metrics", rotel.http()));
    #[cfg(feature = "gzip")]
    let push = push.gzip();
    let pusher = push.resource([("service.name", "rotel-test")]).start(&registry).unwrap();
    assert!(pusher.shutdown(Duration::from_secs(60)));

    rotel.expect(&[
        "rotel-test",
        "orders_total",
        "wörds",
        "4711",
        "queue_bytes",
        "-1.25",
        "wait_seconds",
        "7.5625",
        "region",
    ]);
}
