//! A real OTLP receiver, written by others: rotel of PyPI.
#![allow(clippy::unwrap_used, reason = "it is a test")]
#![cfg(feature = "otlp")]

use std::time::Duration;

use obs_testing::{Rotel, Signal};
use obs_tracing::{Builder, Compression, Delivery, Protocol, Status};
use tracing::{info_span, subscriber::with_default};
use tracing_subscriber::prelude::*;

fn send(way: &str, endpoint: String, protocol: Protocol, compression: Compression) {
    let (layer, traces) = Builder::new("rotel-test")
        .endpoint(endpoint)
        .protocol(protocol)
        .compression(compression)
        .build()
        .unwrap();
    with_default(tracing_subscriber::registry().with(layer), || {
        info_span!("outer", order.id = 4711, share = 0.25, paid = true).in_scope(|| {
            obs_tracing::set_status(Status::Error, "declined");
            obs_tracing::add_event("retried", &[("attempt", 2.into())]);
            info_span!("inner", text = "wörds", way).in_scope(|| {});
        });
    });
    let delivery = traces.shutdown(Duration::from_secs(30));
    assert_eq!(delivery, Delivery { delivered: 2, lost: 0, unknown: 0, complete: true }, "{way}");
}

#[test]
fn receiver_decodes_requests() {
    let Some(rotel) = Rotel::start(Signal::Traces) else { return };
    let mut compressions = vec![Compression::None];
    #[cfg(feature = "gzip")]
    compressions.push(Compression::Gzip);
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf, Protocol::HttpJson] {
        for &compression in &compressions {
            let way = format!("by {protocol:?} and {compression:?}");
            let endpoint = if protocol == Protocol::Grpc { rotel.grpc() } else { rotel.http() };
            send(&way, endpoint, protocol, compression);
            rotel.expect(&[
                "rotel-test",
                "outer",
                "inner",
                "order.id",
                "4711",
                "0.25",
                "wörds",
                "declined",
                "retried",
                &way,
            ]);
        }
    }
}
