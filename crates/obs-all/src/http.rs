//! The composite HTTP layer, in its one order.
//!
//! From the outside in: request id and log context; server span; access line; rate, errors and
//! duration; the handler, whose panics become 500. So the span finds the request's id, the access line
//! finds the span's ids, and the metrics remember the span for their exemplars.

use obs_context::Route;
use obs_http::{ObserveLayer, ObserveService, unrouted};
use obs_logging::http::{AccessLog, RequestContext};
use obs_metrics::http::{ClientMetrics, ServerMetrics};
use obs_tracing::http::{ClientSpan, GrpcClientSpan, ServerSpan};
use tower_layer::Layer;

use crate::Obs;

#[cfg(feature = "errors")]
type Inner = (obs_errors::http::WatchErrors, ServerMetrics);
#[cfg(not(feature = "errors"))]
type Inner = ServerMetrics;
type Server = (RequestContext, (ServerSpan, (Option<AccessLog>, Inner)));
type Client = (ClientSpan, ClientMetrics);
type GrpcClient = (GrpcClientSpan, ClientMetrics);

/// The layer of a server: made by [`Obs::server_layer`].
pub type ServerLayer = ObserveLayer<Server>;

/// The middleware of an actix-web application: made by [`Obs::actix`].
#[cfg(feature = "actix")]
pub type ActixLayer = obs_http::ObserveActix<Server>;

/// The layer of a client: made by [`Obs::client_layer`].
pub type ClientLayer = ObserveLayer<Client>;

impl Obs {
    /// Watches a server's application: an axum `Router` (feature `axum`), whose route templates are
    /// found by themselves, or any other tower service as a pair with the function that tells a request's
    /// route template.
    ///
    /// Every request gets a request id, a server span that continues the caller's trace, context on every
    /// log line, its place in the RED metrics, and a 500 instead of a broken connection when the handler
    /// panics.
    ///
    /// gRPC calls are known by their method and content type: span, metrics, access line and error tracking take the
    /// code of the trailers, and a panic is answered as INTERNAL.
    pub fn observe<App: Observable>(&self, app: App) -> App::Observed {
        app.observed_by(self)
    }

    /// The layer that [`Obs::observe`] adds, for any tower service; `route_of` tells a request's route
    /// template.
    pub fn server_layer(
        &self,
        route_of: impl Fn(&http::request::Parts) -> Option<Route> + Send + Sync + 'static,
    ) -> ServerLayer {
        ObserveLayer::new(self.server_observer(), route_of).catch_panics()
    }

    fn server_observer(&self) -> Server {
        let access = self.access_log.then(AccessLog::new);
        #[cfg(feature = "errors")]
        let inner = (self.watch_errors.clone(), self.red.clone());
        #[cfg(not(feature = "errors"))]
        let inner = self.red.clone();
        (RequestContext::new(), (self.server_span, (access, inner)))
    }

    /// The layer of an HTTP client: forwards the request id, makes a client span, propagates the trace,
    /// and measures the request as `http_client_request_duration_seconds` (OpenTelemetry's
    /// `http.client.request.duration`).
    pub fn client_layer(&self) -> ClientLayer {
        ObserveLayer::new(self.client_observer(), unrouted)
    }

    /// [`Obs::client_layer`] as a middleware of `reqwest_middleware` (feature `reqwest`):
    /// `ClientBuilder::new(client).with(obs.reqwest())`, after middleware that retries.
    #[cfg(feature = "reqwest")]
    pub fn reqwest(&self) -> obs_http::ObserveReqwest<Client> {
        obs_http::ObserveReqwest::new(self.client_observer())
    }

    /// [`Obs::server_layer`] as a middleware of actix-web (feature `actix`): `App::new().wrap(obs.actix())`, as the last
    /// `wrap`, which is the outermost. Routes are the patterns of actix-web's resources.
    #[cfg(feature = "actix")]
    pub fn actix(&self) -> ActixLayer {
        obs_http::ObserveActix::new(self.server_observer())
    }

    fn client_observer(&self) -> Client {
        (self.client_span, self.client_metrics.clone())
    }

    /// Wraps an HTTP client with [`Obs::client_layer`].
    pub fn client<S>(&self, client: S) -> ObserveService<S, Client> {
        self.client_layer().layer(client)
    }
}

impl Obs {
    /// The layer of a gRPC client, as [`Obs::client_layer`] is of HTTP: forwards the request id, makes a
    /// client span with the code of the trailers, and propagates the trace in the configured formats.
    pub fn grpc_client_layer(&self) -> ObserveLayer<GrpcClient> {
        let observer = (GrpcClientSpan::new(), self.client_metrics.clone());
        ObserveLayer::new(observer, unrouted)
    }

    /// Wraps a gRPC client's channel, such as tonic's, with [`Obs::grpc_client_layer`]:
    /// `GreeterClient::new(obs.grpc_client(channel))`.
    pub fn grpc_client<S>(&self, channel: S) -> ObserveService<S, GrpcClient> {
        self.grpc_client_layer().layer(channel)
    }
}

/// What [`Obs::observe`] takes: an axum `Router`, or a pair of any other tower service and what tells its routes.
///
/// ```
/// # fn example<Service>(obs: &obs_all::Obs, service: Service) {
/// use obs_all::context::Route;
///
/// let users = |head: &http::request::Parts| {
///     head.uri.path().starts_with("/users/").then(|| Route::intern("/users/{id}"))
/// };
/// let app = obs.observe((service, users));
/// # drop(app);
/// # }
/// ```
///
/// A router needs its state first; the compiler says so:
///
/// ```compile_fail,E0277
/// # fn example(obs: &obs_all::Obs, router: axum::Router<String>) {
/// obs.observe(router); // obs.observe(router.with_state(state))
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`Obs::observe` cannot watch `{Self}`",
    label = "neither a `Router` with its state nor a pair of a service and its routes",
    note = "an axum `Router` needs its state first: `obs.observe(router.with_state(state))`",
    note = "any other tower service comes with what tells its route: `obs.observe((service, |head: &http::request::Parts| ...))`"
)]
pub trait Observable {
    /// The same, with the layer.
    type Observed;

    /// Adds the layer.
    fn observed_by(self, obs: &Obs) -> Self::Observed;
}

#[cfg(feature = "axum")]
impl Observable for axum::Router {
    type Observed = Self;

    fn observed_by(self, obs: &Obs) -> Self {
        let routes = obs_http::routes_of(&self);
        // With their state routes are ready made; without, axum would make one anew, layer and all, for every request.
        let app: Self = self.with_state(());
        app.layer(obs.server_layer(routes).routes())
    }
}

/// A service without axum's router: the function or closure tells the route template of a request.
impl<S, F> Observable for (S, F)
where
    F: Fn(&http::request::Parts) -> Option<Route> + Send + Sync + 'static,
{
    type Observed = ObserveService<S, Server>;

    fn observed_by(self, obs: &Obs) -> Self::Observed {
        obs.server_layer(self.1).layer(self.0)
    }
}
