//! A real OTLP receiver, written by others: rotel of PyPI.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]
#![allow(clippy::print_stderr, reason = "a test says what it skips")]
#![cfg(feature = "gzip")]

use std::time::Duration;

use obs_logging::{Builder, Compression, Otlp, Output, Protocol};
use obs_testing::{Rotel, Signal};
use tracing_subscriber::layer::SubscriberExt;

#[test]
fn rotel_receives_records_of_each_protocol() {
    let Some(rotel) = Rotel::start(Signal::Logs) else { return };
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf, Protocol::HttpJson] {
        let endpoint = match protocol {
            Protocol::Grpc => rotel.grpc(),
            Protocol::HttpProtobuf | Protocol::HttpJson => rotel.http(),
        };
        for compression in [Compression::None, Compression::Gzip] {
            let otlp = Otlp::new(endpoint.clone()).protocol(protocol).compression(compression);
            let otlp = otlp.resource("service.name", "rotel-test");
            let builder = Builder::new().output(Output::otlp(otlp.clone()));
            let (layer, logging) = builder.build().unwrap();
            let said = format!("said {protocol} {compression}");
            tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
                let _span = tracing::info_span!("request", request_id = "r-4711").entered();
                tracing::warn!(rows = 42, share = 0.25, paid = true, name = "wörds", "{said}");
            });
            assert!(logging.shutdown(Duration::from_secs(60)).complete);
            let counts = logging.counts();
            assert_eq!((counts.written, counts.dropped, otlp.rejected()), (1, 0, 0), "{said}");
            rotel.expect(&["rotel-test", "r-4711", "rows", "42", "0.25", "wörds", &said]);
        }
    }
}
