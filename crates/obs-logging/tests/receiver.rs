//! A real OTLP receiver, written by others: rotel of PyPI.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]
#![allow(clippy::print_stderr, reason = "a test says what it skips")]
#![cfg(feature = "otlp")]

use std::time::Duration;

use obs_logging::{Builder, Otlp, Output};
use obs_testing::{Rotel, Signal};
use tracing_subscriber::layer::SubscriberExt;

#[test]
fn understands_the_records_that_we_send() {
    let Some(rotel) = Rotel::start(Signal::Logs) else { return };
    for gzip in [false, true] {
        let otlp = Otlp::new(rotel.http()).resource("service.name", "rotel-test").gzip(gzip);
        let (layer, logging) = Builder::new().output(Output::otlp(otlp.clone())).build().unwrap();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let _span = tracing::info_span!("request", request_id = "r-4711").entered();
            tracing::warn!(rows = 42, share = 0.25, paid = true, name = "wörds", "said {gzip}");
        });
        assert!(logging.shutdown(Duration::from_secs(60)).complete);
        let counts = logging.counts();
        assert_eq!((counts.written, counts.dropped, otlp.rejected()), (1, 0, 0));

        let expected = ["rotel-test", "r-4711", "rows", "42", "0.25", "wörds"];
        let expected = [&expected[..], &[if gzip { "said true" } else { "said false" }]].concat();
        rotel.expect(&expected);
    }
}
