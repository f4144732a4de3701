//! The orders service with the crates that are usual today, put together as their guides say.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum_tracing_opentelemetry::middleware::OtelAxumLayer;
use obs_bench_e2e::{Failure, Mode, listener, routes, serve};
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tracing::{Instrument, info_span};
use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let app = routes().await?;
    match Mode::from_environment()? {
        Mode::Bare => serve(listener().await?, app).await,
        Mode::Logs => {
            let _guard = logs();
            serve(listener().await?, app.layer(from_fn(request_span))).await
        }
        Mode::Metrics => {
            let _guard = logs();
            let app = with_metrics(app).layer(from_fn(request_span));
            serve(listener().await?, app).await
        }
        Mode::Traces => {
            let (writer, _guard) = writer();
            let provider = provider()?;
            let traces = tracing_opentelemetry::layer().with_tracer(provider.tracer("orders"));
            let lines = tracing_subscriber::fmt::layer().json().with_writer(writer);
            let layers = lines.and_then(traces).with_filter(EnvFilter::new("info"));
            tracing_subscriber::registry().with(layers).init();
            let app = with_metrics(app).layer(OtelAxumLayer::default());
            serve(listener().await?, app).await?;
            Ok(provider.shutdown()?)
        }
    }
}

fn writer() -> (tracing_appender::non_blocking::NonBlocking, WorkerGuard) {
    tracing_appender::non_blocking(std::io::stdout())
}

fn logs() -> WorkerGuard {
    let (writer, guard) = writer();
    let lines = tracing_subscriber::fmt::layer().json().with_writer(writer);
    let lines = lines.with_filter(EnvFilter::new("info"));
    tracing_subscriber::registry().with(lines).init();
    guard
}

/// Reads the sampler and the endpoint from the `OTEL_*` variables, as the SDK does.
fn provider() -> Result<SdkTracerProvider, Failure> {
    let exporter = SpanExporter::builder().with_tonic().build()?;
    let resource = Resource::builder().with_service_name("orders").build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

async fn request_span(request: Request, next: Next) -> Response {
    let span = info_span!(
        "request",
        request_id = %uuid::Uuid::new_v4(),
        method = %request.method(),
        path = request.uri().path(),
    );
    next.run(request).instrument(span).await
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    path: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    method: String,
    path: String,
}

#[derive(Clone)]
struct Metrics {
    requests: Family<RequestLabels, Counter<u64, AtomicU64>>,
    duration: Family<RouteLabels, Histogram>,
    in_progress: Gauge,
    registry: Arc<Registry>,
}

impl Metrics {
    fn new() -> Self {
        let mut registry = Registry::default();
        let requests = Family::default();
        let duration = Family::new_with_constructor(histogram as fn() -> Histogram);
        let in_progress = Gauge::default();
        registry.register("http_requests", "Requests.", requests.clone());
        registry.register("http_request_duration_seconds", "Their time.", duration.clone());
        registry.register("http_requests_in_progress", "Now.", in_progress.clone());
        Self { requests, duration, in_progress, registry: Arc::new(registry) }
    }

    async fn count(self, request: Request, next: Next) -> Response {
        let method = request.method().to_string();
        let path = request.extensions().get::<MatchedPath>();
        let path = path.map_or_else(|| "<unmatched>".to_owned(), |path| path.as_str().to_owned());
        let begun = Instant::now();
        self.in_progress.inc();
        let response = next.run(request).await;
        self.in_progress.dec();
        let seconds = begun.elapsed().as_secs_f64();
        let route = RouteLabels { method: method.clone(), path: path.clone() };
        self.duration.get_or_create(&route).observe(seconds);
        let status = response.status().as_u16();
        self.requests.get_or_create(&RequestLabels { method, path, status }).inc();
        response
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}

fn histogram() -> Histogram {
    Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
}

fn with_metrics(app: Router) -> Router {
    let metrics = Metrics::new();
    let shown = metrics.clone();
    app.route_layer(from_fn(move |request, next| metrics.clone().count(request, next)))
        .route("/metrics", axum::routing::get(move || async move { shown.text() }))
}
