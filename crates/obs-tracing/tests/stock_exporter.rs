//! OpenTelemetry's own OTLP exporter in place of ours, before real receivers.

#![cfg(all(feature = "otel-sdk", feature = "otlp"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]
#![allow(clippy::print_stderr, reason = "it is a test, which says what it skips")]

mod common;

use std::time::Duration;

use common::collector::{Answer, Collector};
use obs_testing::{Rotel, Signal};
use obs_tracing::{Builder, Delivery, Traces};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use tokio::runtime::Runtime;
use tracing::dispatcher::with_default;
use tracing::{Dispatch, info_span};
use tracing_subscriber::prelude::*;

const WAIT_TIMEOUT: Duration = Duration::from_secs(60);

/// The exporter's connection lives on the runtime that it is made on.
fn stock(runtime: &Runtime, endpoint: &str) -> (Dispatch, Traces) {
    let _on_it = runtime.enter();
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build().unwrap();
    let builder = Builder::new("stock-test").delay(WAIT_TIMEOUT).exporter(exporter);
    let (layer, traces) = builder.build().unwrap();
    (tracing_subscriber::registry().with(layer).into(), traces)
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn work(dispatch: &Dispatch) {
    with_default(dispatch, || {
        info_span!("outer", order.id = 4711).in_scope(|| {
            info_span!("inner", text = "wörds").in_scope(|| {});
        });
    });
}

#[test]
fn stock_exporter_delivers_and_losses_are_counted() {
    let runtime = runtime();
    // What may pass is the exporter's business, too: the second request is refused for good.
    let collector = Collector::answering([Answer::Accept, Answer::Grpc(3, None)]);
    let server = collector.grpc();
    let (dispatch, traces) = stock(&runtime, &server.endpoint());
    work(&dispatch);
    let delivery = traces.flush(WAIT_TIMEOUT);
    assert_eq!(delivery, Delivery { delivered: 2, lost: 0, unknown: 0, complete: true });
    let requests = collector.requests();
    let spans: Vec<_> = requests.iter().flat_map(common::spans_of).collect();
    assert_eq!(spans.len(), 2);
    let resource = format!("{:?}", requests[0].resource_spans[0].resource);
    assert!(resource.contains("stock-test") && resource.contains("telemetry.sdk.name"));
    work(&dispatch);
    let delivery = traces.shutdown(WAIT_TIMEOUT);
    assert_eq!(delivery, Delivery { delivered: 0, lost: 2, unknown: 0, complete: true });
}

#[test]
fn foreign_receiver_decodes_requests() {
    let Some(rotel) = Rotel::start(Signal::Traces) else { return };
    let runtime = runtime();
    let (dispatch, traces) = stock(&runtime, &rotel.grpc());
    work(&dispatch);
    let delivery = traces.shutdown(WAIT_TIMEOUT);
    assert_eq!(delivery, Delivery { delivered: 2, lost: 0, unknown: 0, complete: true });
    rotel.expect(&["stock-test", "outer", "inner", "order.id", "4711", "wörds"]);
}
