//! OpenTelemetry's own pieces: span exporters of other people, and the API's context.

#![cfg(feature = "otel-sdk")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use obs_tracing::opentelemetry_sdk::Resource;
use obs_tracing::opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use obs_tracing::opentelemetry_sdk::trace::{SpanData, SpanExporter};
use obs_tracing::{Builder, Status};
use opentelemetry::trace::{SpanKind, TraceContextExt};
use opentelemetry::{Context, Value};
use tracing::{info_span, subscriber::with_default};
use tracing_subscriber::prelude::*;

/// Keeps what it is given; fails while it is told to.
#[derive(Clone, Debug, Default)]
struct Keeping(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    spans: Vec<SpanData>,
    resource: Option<Resource>,
    fails: bool,
    ended: u32,
}

impl SpanExporter for Keeping {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        tokio::time::sleep(Duration::from_millis(1)).await; // there is a runtime
        let mut state = self.0.lock().unwrap();
        if state.fails {
            return Err(OTelSdkError::InternalFailure("no disk".to_owned()));
        }
        state.spans.extend(batch);
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        self.0.lock().unwrap().ended += 1;
        Ok(())
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.lock().unwrap().resource = Some(resource.clone());
    }
}

#[test]
fn sdk_exporter_receives_spans() {
    let kept = Keeping::default();
    let (layer, traces) = Builder::new("orders").exporter(kept.clone()).build().unwrap();
    with_default(tracing_subscriber::registry().with(layer), || {
        info_span!("outer", otel.kind = "server", n = 3, share = 0.5, on = true, text = "words")
            .in_scope(|| {
                obs_tracing::add_event("retried", &[("attempt", 2.into())]);
                obs_tracing::set_status(Status::Error, "declined");
                info_span!("inner").in_scope(|| {});
            });
        let delivery = traces.flush(Duration::from_secs(30));
        assert_eq!((delivery.delivered, delivery.lost, delivery.complete), (2, 0, true));
        kept.0.lock().unwrap().fails = true;
        info_span!("lost").in_scope(|| {});
    });
    let delivery = traces.shutdown(Duration::from_secs(30));
    assert_eq!((delivery.delivered, delivery.lost, delivery.complete), (0, 1, true));
    let state = kept.0.lock().unwrap();
    assert_eq!(state.ended, 1);
    let resource = state.resource.as_ref().unwrap();
    assert_eq!(resource.get(&"service.name".into()), Some(Value::from("orders")));
    let pid = Value::from(i64::from(std::process::id()));
    assert_eq!(resource.get(&"process.pid".into()), Some(pid));
    let [inner, outer] = &state.spans[..] else { panic!("{:?}", state.spans) };
    assert_eq!((&*inner.name, &*outer.name), ("inner", "outer"));
    assert_eq!(inner.parent_span_id, outer.span_context.span_id());
    assert_eq!(inner.span_context.trace_id(), outer.span_context.trace_id());
    assert!(outer.span_context.is_sampled() && outer.span_context.is_valid());
    assert_eq!(outer.span_kind, SpanKind::Server);
    assert!(outer.start_time <= inner.start_time && inner.end_time <= outer.end_time);
    assert_eq!(outer.status, opentelemetry::trace::Status::error("declined"));
    assert_eq!(outer.events[0].name, "retried");
    assert_eq!(outer.events[0].attributes[0].value, Value::I64(2));
    let value = |key: &str| {
        let found = outer.attributes.iter().find(|known| known.key.as_str() == key);
        found.map(|known| known.value.clone())
    };
    assert_eq!(value("n"), Some(Value::I64(3)));
    assert_eq!(value("share"), Some(Value::F64(0.5)));
    assert_eq!(value("on"), Some(Value::Bool(true)));
    assert_eq!(value("text"), Some(Value::from("words")));
}

/// Never answers the first time, and takes everything after that.
#[derive(Debug, Default)]
struct StuckOnce(AtomicBool);

impl SpanExporter for StuckOnce {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        if self.0.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        std::future::pending().await
    }
}

#[test]
fn sdk_exporter_past_timeout_loses_own_request() {
    let builder = Builder::new("orders").delay(Duration::from_secs(60));
    let builder = builder.exporter(StuckOnce::default()).timeout(Duration::from_millis(20));
    let (layer, traces) = builder.build().unwrap();
    with_default(tracing_subscriber::registry().with(layer), || info_span!("x").in_scope(|| {}));
    let delivery = traces.flush(Duration::from_secs(60));
    assert_eq!((delivery.delivered, delivery.lost, delivery.complete), (0, 1, true));
}

#[test]
fn current_span_is_otel_context() {
    let current = || Context::current().span().span_context().span_id().to_string();
    let (layer, _traces) =
        Builder::new("orders").exporter(Keeping::default()).activate_context().build().unwrap();
    with_default(tracing_subscriber::registry().with(layer), || {
        let nothing = current();
        let (first, second) = (info_span!("first"), info_span!("second"));
        let id = || obs_context::active_span().unwrap().span_id.to_string();
        let entered = first.enter();
        assert_eq!(current(), id());
        let inner = second.enter();
        assert_eq!(current(), id());
        drop(entered); // not in order
        assert_eq!(current(), id());
        drop(inner);
        assert_eq!(current(), nothing);
    });
}
