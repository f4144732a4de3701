//! Rate, errors and duration of HTTP requests.

mod client;
mod polled_span;

pub use client::{ClientMetrics, ClientRequest};

use std::sync::Arc;

use http::uri::Scheme;
use http::{Method, request};
use obs_context::Route;
use obs_http::{End, Exchange, Observe, ObserveLayer};

use crate::buckets::Buckets;
#[cfg(feature = "otlp-push")]
use crate::descriptor::Audience;
use crate::error::Error;
use crate::family::{CounterVec, HistogramVec};
use crate::metric::Gauge;
use crate::registry::Registry;
use polled_span::PolledSpan;

/// Counts HTTP requests: their rate, errors and duration (RED), and how many are in progress.
///
/// | metric | labels |
/// | --- | --- |
/// | `http_requests_total` | `method`, `path`, `status` |
/// | `http_request_duration_seconds` | `method`, `path` |
/// | `http_requests_in_progress` | |
///
/// or, by [`ServerMetrics::semantic_conventions`], the names of OpenTelemetry.
///
/// The path is the route template, never the raw path: `<unmatched>` where no route matched. A method
/// that is not registered with IANA for HTTP is `_OTHER`. Each request is counted once, when it is over:
/// a panic as 500, a request that was cancelled before there was a response as 499. The duration runs to
/// the end of the body.
///
/// It is an [`Observe`], to be put together with those of other pillars; [`layer`] makes a tower layer
/// of it alone. Polled inside a sampled span, it leaves the trace as exemplar.
#[derive(Clone, Debug)]
pub struct ServerMetrics(Arc<Metrics>);

#[derive(Debug)]
struct Metrics {
    totals: Totals,
    in_progress: Gauge,
}

/// What is counted when a request is over.
#[derive(Debug)]
enum Totals {
    Prometheus {
        requests: CounterVec<3>,
        duration: HistogramVec<2>,
        /// By the conventions, for pushes.
        pushed: Option<HistogramVec<4>>,
    },
    SemanticConventions {
        duration: HistogramVec<4>,
    },
}

impl ServerMetrics {
    /// Registers the metrics, with the default buckets.
    #[track_caller]
    pub fn new(registry: &Registry) -> Result<Self, Error> {
        Self::with_buckets(registry, Buckets::default())
    }

    /// Registers the metrics; give [`Buckets::around`] your objective.
    #[track_caller]
    pub fn with_buckets(registry: &Registry, buckets: Buckets) -> Result<Self, Error> {
        let totals = Totals::Prometheus {
            requests: registry.counter_vec(
                "http_requests_total",
                "HTTP requests that are over.",
                ["method", "path", "status"],
            )?,
            duration: registry.histogram_vec(
                "http_request_duration_seconds",
                "From a request's head to the end of its response's body.",
                ["method", "path"],
                buckets,
            )?,
            pushed: None,
        };
        let in_progress =
            registry.gauge("http_requests_in_progress", "HTTP requests that are not over yet.")?;
        Ok(Self(Arc::new(Metrics { totals, in_progress })))
    }

    /// As [`ServerMetrics::with_buckets`]; and where the registry is pushed, `http.server.request.duration` has
    /// `http.response.status_code` as the conventions have it, which Prometheus' histogram has not: a second
    /// histogram, for the pushes alone.
    #[cfg(feature = "otlp-push")]
    #[track_caller]
    pub fn with_push(registry: &Registry, buckets: Buckets) -> Result<Self, Error> {
        let mut red = Self::with_buckets(registry, buckets.clone())?;
        let conventions = convention_duration(registry, buckets)?;
        if let Some(Metrics { totals: Totals::Prometheus { duration, pushed, .. }, .. }) =
            Arc::get_mut(&mut red.0)
        {
            duration.restrict_to(Audience::Scrapes);
            conventions.restrict_to(Audience::Pushes);
            *pushed = Some(conventions);
        }
        Ok(red)
    }

    /// Registers the metrics under the names of OpenTelemetry's semantic conventions for HTTP servers:
    /// `http_server_request_duration_seconds{http_request_method,url_scheme,http_route,http_response_status_code}`,
    /// whose count is the number of requests, and `http_server_active_requests`.
    #[track_caller]
    pub fn semantic_conventions(registry: &Registry, buckets: Buckets) -> Result<Self, Error> {
        let totals =
            Totals::SemanticConventions { duration: convention_duration(registry, buckets)? };
        let in_progress = registry
            .gauge("http_server_active_requests", "Number of active HTTP server requests.")?;
        Ok(Self(Arc::new(Metrics { totals, in_progress })))
    }
}

impl Observe for ServerMetrics {
    type Exchange = ServerRequest;

    const BEGINS_ALONE: bool = true;

    fn begin(&self, request: &mut request::Parts, _: Option<Route>) -> ServerRequest {
        self.0.in_progress.inc();
        // As the server span has it.
        let is_https = request.uri.scheme() == Some(&Scheme::HTTPS);
        ServerRequest { metrics: self.0.clone(), is_https, span: PolledSpan::default() }
    }
}

/// One request in progress.
#[derive(Debug)]
pub struct ServerRequest {
    metrics: Arc<Metrics>,
    is_https: bool,
    span: PolledSpan,
}

impl Exchange for ServerRequest {
    type Entered<'a> = ();

    fn enter(&self) {
        self.span.record();
    }

    fn can_end_alone(&self, _: &End) -> bool {
        self.span.is_recorded()
    }

    fn end(self, end: &End) {
        self.span.scope(|| self.observe(end));
    }
}

impl ServerRequest {
    fn observe(&self, end: &End) {
        let method = known_method(&end.method);
        let path = end.route.as_str();
        let status = end.status_code();
        let digits =
            [status / 100 % 10, status / 10 % 10, status % 10].map(|digit| b'0' + digit as u8);
        let status = std::str::from_utf8(&digits).unwrap_or("000");
        let scheme = if self.is_https { "https" } else { "http" };
        match &self.metrics.totals {
            Totals::Prometheus { requests, duration, pushed } => {
                if let Some(pushed) = pushed {
                    pushed.with([method, scheme, path, status]).observe_duration(end.duration);
                }
                requests.with([method, path, status]).inc();
                duration.with([method, path]).observe_duration(end.duration);
            }
            Totals::SemanticConventions { duration } => {
                duration.with([method, scheme, path, status]).observe_duration(end.duration);
            }
        }
    }
}

impl Drop for ServerRequest {
    fn drop(&mut self) {
        self.metrics.in_progress.dec();
    }
}

#[track_caller]
fn convention_duration(registry: &Registry, buckets: Buckets) -> Result<HistogramVec<4>, Error> {
    registry.histogram_vec(
        "http_server_request_duration_seconds",
        "Duration of HTTP server requests.",
        ["http_request_method", "url_scheme", "http_route", "http_response_status_code"],
        buckets,
    )
}

/// A tower layer that counts with `red`; `route_of` tells the route of a request: under axum
/// `obs_http::matched_path`.
pub fn layer(
    red: ServerMetrics,
    route_of: impl Fn(&request::Parts) -> Option<Route> + Send + Sync + 'static,
) -> ObserveLayer<ServerMetrics> {
    ObserveLayer::new(red, route_of)
}

/// The method as a label value. Anybody can invent methods.
fn known_method(method: &Method) -> &'static str {
    obs_http::known_method(method).unwrap_or("_OTHER")
}
