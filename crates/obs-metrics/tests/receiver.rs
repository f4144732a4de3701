//! A real OTLP receiver, written by others, reads our pushes: rotel of PyPI.
#![cfg(feature = "otlp-gzip")]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test, which says what it skips")]

use std::time::Duration;

use obs_metrics::{Buckets, Compression, Protocol, Push, Registry};
use obs_testing::{Rotel, Signal};

#[test]
fn rotel_accepts_pushes_of_each_protocol() {
    let Some(rotel) = Rotel::start(Signal::Metrics) else { return };
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf, Protocol::HttpJson] {
        let endpoint = match protocol {
            Protocol::Grpc => rotel.grpc(),
            Protocol::HttpProtobuf | Protocol::HttpJson => rotel.http(),
        };
        for compression in [Compression::None, Compression::Gzip] {
            let by = format!("wörds by {protocol} {compression}");
            let registry = Registry::builder().label("region", "eu").build().unwrap();
            let orders = registry.counter_vec("orders_total", "Orders.", ["by"]).unwrap();
            orders.with([&*by]).inc_by(4711);
            registry.gauge("queue_bytes", "Queue.").unwrap().set(-1.25);
            let buckets = Buckets::new([0.125, 1.0]);
            let waits = registry.histogram("wait_seconds", "Wait.", buckets).unwrap();
            [0.0625, 0.5, 7.0].iter().for_each(|value| waits.observe(*value));
            let push = Push::new(&*endpoint).protocol(protocol).compression(compression);
            let push = push.resource([("service.name", "rotel-test")]);
            let pusher = push.start(&registry).unwrap();
            assert!(pusher.shutdown(Duration::from_secs(60)), "{by}");

            let mut texts =
                vec!["rotel-test", "orders_total", &by, "queue_bytes", "-1.25", "region"];
            // In JSON a whole number is a string, by protobuf's mapping; this receiver knows only numbers there.
            // `decoded.rs` has the official messages read it.
            if protocol != Protocol::HttpJson {
                texts.extend(["4711", "wait_seconds", "7.5625"]);
            }
            rotel.expect(&texts);
        }
    }
}
