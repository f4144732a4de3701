//! The duration of HTTP requests that are sent.

use http::uri::{Authority, Scheme};
use http::{StatusCode, request};
use obs_context::Route;
use obs_http::{End, Exchange, Observe, server_address};

use super::known_method;
use super::polled_span::PolledSpan;
use crate::buckets::Buckets;
use crate::error::Error;
use crate::family::HistogramVec;
use crate::registry::Registry;

/// Measures the requests of an HTTP client, by OpenTelemetry's semantic conventions:
/// `http_client_request_duration_seconds`, pushed as `http.client.request.duration`, with the labels
/// `http_request_method`, `server_address`, `server_port`, `http_response_status_code` and `error_type`.
///
/// Each request is measured once, up to the end of its response's body. The address is that of the
/// request's URI: a label is empty where there is none, as the status is without a response and the error
/// without an error. `error_type` is the status of a 4xx or 5xx, or `error` (no response), `cancelled`
/// (dropped before its response), `body_failed` or `panic`. A client of very many hosts fills the family's
/// limit of series; those past it share one.
///
/// It is an [`Observe`], as [`ServerMetrics`](super::ServerMetrics) is for a server: `ObserveLayer::new(metrics, unrouted)` makes
/// a tower layer of it. Polled inside a sampled span, it leaves the trace as exemplar.
#[derive(Clone, Debug)]
pub struct ClientMetrics(HistogramVec<5>);

impl ClientMetrics {
    /// Registers the metric.
    ///
    /// # Errors
    ///
    /// When the registry has another metric of this name.
    #[track_caller]
    pub fn new(registry: &Registry, buckets: Buckets) -> Result<Self, Error> {
        let duration = registry.histogram_vec(
            "http_client_request_duration_seconds",
            "Duration of HTTP client requests.",
            [
                "http_request_method",
                "server_address",
                "server_port",
                "http_response_status_code",
                "error_type",
            ],
            buckets,
        )?;
        Ok(Self(duration))
    }
}

impl Observe for ClientMetrics {
    type Exchange = ClientRequest;

    const BEGINS_ALONE: bool = true;

    fn begin(&self, request: &mut request::Parts, _: Option<Route>) -> ClientRequest {
        let uri = &request.uri;
        let usual = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
        let server = uri.authority().map(|authority| Server {
            authority: authority.clone(),
            port: uri.port_u16().unwrap_or(usual),
        });
        ClientRequest { duration: self.0.clone(), server, span: PolledSpan::default() }
    }
}

/// A request that is under way.
#[derive(Debug)]
pub struct ClientRequest {
    duration: HistogramVec<5>,
    server: Option<Server>,
    span: PolledSpan,
}

#[derive(Debug)]
struct Server {
    authority: Authority,
    port: u16,
}

impl Exchange for ClientRequest {
    type Entered<'a> = ();

    fn enter(&self) {
        self.span.record();
    }

    fn can_end_alone(&self, _: &End) -> bool {
        self.span.is_recorded()
    }

    fn end(self, end: &End) {
        let mut digits = itoa::Buffer::new();
        let (host, port) = match &self.server {
            Some(server) => (server_address(&server.authority), digits.format(server.port)),
            None => ("", ""),
        };
        let status = end.status.as_ref().map_or("", StatusCode::as_str);
        let error = end.client_error_type().unwrap_or_default();
        let labels = [known_method(&end.method), host, port, status, error];
        self.span.scope(|| self.duration.with(labels).observe_duration(end.duration));
    }
}
