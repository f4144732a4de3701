//! The export has a thread and a runtime of its own: whatever runtime the application has, or none, and
//! from wherever it flushes and shuts down.

#![cfg(feature = "otlp")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]

mod common;

use std::time::Duration;

use common::collector::{Collector, Running};
use obs_tracing::{Builder, Delivery, Traces};
use tokio::runtime::{self, Runtime};
use tracing::{Dispatch, Instrument, info_span};
use tracing_subscriber::prelude::*;

const WAIT_TIMEOUT: Duration = Duration::from_secs(30);
const DELIVERED: Delivery = Delivery { delivered: 20, lost: 0, unknown: 0, complete: true };

fn pipeline(server: &Running) -> (Dispatch, Traces) {
    let builder = Builder::new("test").endpoint(server.endpoint());
    let (layer, traces) = builder.delay(Duration::from_secs(60)).build().unwrap();
    (Dispatch::new(tracing_subscriber::registry().with(layer)), traces)
}

/// Spans on the executor, and on its thread for blocking work: 20 of them.
async fn work(subscriber: Dispatch) {
    use tracing::instrument::WithSubscriber;
    let spans = async {
        for _ in 0..10 {
            let inner = async { tokio::task::yield_now().await }.instrument(info_span!("inner"));
            inner.instrument(info_span!("outer")).await;
        }
    };
    tokio::spawn(spans.with_subscriber(subscriber)).await.unwrap();
}

fn one_worker() -> Runtime {
    runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn current_thread() -> Runtime {
    runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A service whose telemetry is a field like any other.
struct Service(Option<Traces>, std::sync::mpsc::Sender<Delivery>);

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(traces) = self.0.take() {
            self.1.send(traces.shutdown(WAIT_TIMEOUT)).unwrap();
        }
    }
}

#[test]
fn flush_on_only_worker_returns() {
    let server = Collector::default().grpc();
    for runtime in [one_worker(), current_thread()] {
        let (subscriber, traces) = pipeline(&server);
        let delivery = runtime.block_on(async {
            work(subscriber).await;
            // On the worker itself: it blocks the whole runtime, and the export must go on.
            tokio::spawn(async move { (traces.flush(WAIT_TIMEOUT), traces) }).await.unwrap()
        });
        assert_eq!(delivery.0, DELIVERED);
        assert_eq!(delivery.1.shutdown(WAIT_TIMEOUT), Delivery { delivered: 0, ..DELIVERED });
    }
}

#[test]
fn shutdown_in_runtime_on_blocking_thread_delivers() {
    let collector = Collector::default();
    let server = collector.grpc();
    let (subscriber, traces) = pipeline(&server);
    let delivery = one_worker().block_on(async {
        let nested = move || {
            current_thread().block_on(async {
                work(subscriber).await;
                traces.shutdown(WAIT_TIMEOUT)
            })
        };
        tokio::task::spawn_blocking(nested).await.unwrap()
    });
    assert_eq!(delivery, DELIVERED);
    assert_eq!(collector.accepted(), 20);
}

#[test]
fn shutdown_without_runtime_delivers() {
    let server = Collector::default().grpc();
    let (subscriber, traces) = pipeline(&server);
    tracing::dispatcher::with_default(&subscriber, || {
        (0..20).for_each(|_| info_span!("work").in_scope(|| {}));
    });
    assert_eq!(traces.shutdown(WAIT_TIMEOUT), DELIVERED);
}

#[test]
fn drop_inside_and_outside_runtime_delivers() {
    let server = Collector::default().grpc();
    for inside in [true, false] {
        for runtime in [one_worker(), current_thread()] {
            let (subscriber, traces) = pipeline(&server);
            let (told, hear) = std::sync::mpsc::channel();
            let service = Service(Some(traces), told);
            let left = runtime.block_on(async move {
                work(subscriber).await;
                match inside {
                    true => {
                        drop(service);
                        None
                    }
                    false => Some(service),
                }
            });
            drop(runtime);
            drop(left);
            assert_eq!(hear.recv().unwrap(), DELIVERED, "inside: {inside}");
        }
    }
}

#[test]
fn drop_with_task_at_runtime_end_delivers() {
    let server = Collector::default().grpc();
    let (subscriber, traces) = pipeline(&server);
    let (told, hear) = std::sync::mpsc::channel();
    let service = Service(Some(traces), told);
    let runtime = one_worker();
    runtime.block_on(work(subscriber));
    runtime.spawn(async move {
        std::future::pending::<()>().await;
        drop(service);
    });
    drop(runtime);
    assert_eq!(hear.recv().unwrap(), DELIVERED);
}

#[test]
fn pipeline_built_inside_dropped_runtime_delivers() {
    let collector = Collector::default();
    let server = collector.grpc();
    let (subscriber, traces) = current_thread().block_on(async { pipeline(&server) });
    current_thread().block_on(work(subscriber));
    assert_eq!(traces.shutdown(WAIT_TIMEOUT), DELIVERED);
    assert_eq!(collector.accepted(), 20);
}
