//! Exporters of the application's that panic: their spans are counted as lost, and the next ones exported.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]

use std::time::Duration;

use obs_tracing::{Builder, TraceLayer, Traces};
use tracing::info_span;
use tracing_subscriber::prelude::*;

/// The first request panics: its span is lost, and the second one's delivered.
fn first_is_lost_and_second_delivered((layer, traces): (TraceLayer, Traces)) {
    let place = || obs_guard::panics().find(|(place, _)| *place == "tracing.exporter");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        for expected in [(0, 1), (1, 0)] {
            info_span!("work").in_scope(|| {});
            let delivery = traces.flush(Duration::from_secs(60));
            assert!(delivery.complete);
            assert_eq!((delivery.delivered, delivery.lost), expected);
        }
    });
    assert!(place().is_some_and(|(_, panics)| panics > 0));
    assert_eq!(traces.counts().in_flight(), 0);
}

#[test]
fn panicking_export_function_loses_only_own_request() {
    let mut requests = 0;
    let builder = Builder::new("test").delay(Duration::from_secs(60)).export_with(move |_, _| {
        requests += 1;
        assert!(requests > 1, "as a function may");
        Ok(())
    });
    first_is_lost_and_second_delivered(builder.build().unwrap());
}

#[cfg(feature = "otel-sdk")]
mod sdk {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use obs_tracing::opentelemetry_sdk::error::OTelSdkResult;
    use obs_tracing::opentelemetry_sdk::trace::{SpanData, SpanExporter};

    use super::*;

    #[derive(Debug, Default)]
    struct Panics(AtomicUsize);

    impl SpanExporter for Panics {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            tokio::task::yield_now().await;
            assert!(self.0.fetch_add(1, Ordering::Relaxed) > 0, "as an exporter may");
            Ok(())
        }
    }

    #[test]
    fn panicking_sdk_exporter_loses_only_own_request() {
        let builder = Builder::new("test").delay(Duration::from_secs(60));
        first_is_lost_and_second_delivered(builder.exporter(Panics::default()).build().unwrap());
    }
}
