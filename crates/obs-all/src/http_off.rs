//! Requests without telemetry (no feature `telemetry`): what watches them in other builds hands them on as they are.

use obs_context::Route;
use obs_http::{ObserveLayer, unrouted};
use obs_logging::http::RequestContext;
use obs_tracing::http::ClientSpan;

use crate::Obs;

type Server = Option<RequestContext>;
type Client = Option<ClientSpan>;

/// The layer of a server: hands requests on.
pub type ServerLayer = ObserveLayer<Server>;

/// The middleware of an actix-web application: hands requests on.
#[cfg(feature = "actix")]
pub type ActixLayer = obs_http::ObserveActix<Server>;

/// The layer of a client: hands requests on.
pub type ClientLayer = ObserveLayer<Client>;

impl Obs {
    /// The application as it is. With the feature `telemetry` every request is watched.
    pub fn observe<App: Observable>(&self, app: App) -> App::Observed {
        app.observed_by(self)
    }

    /// A layer that hands requests on.
    pub fn server_layer(
        &self,
        route_of: impl Fn(&http::request::Parts) -> Option<Route> + Send + Sync + 'static,
    ) -> ServerLayer {
        ObserveLayer::new(None, route_of)
    }

    /// A layer that hands requests on.
    pub fn client_layer(&self) -> ClientLayer {
        ObserveLayer::new(None, unrouted)
    }

    /// A middleware of `reqwest_middleware` that hands requests on (feature `reqwest`).
    #[cfg(feature = "reqwest")]
    pub fn reqwest(&self) -> obs_http::ObserveReqwest<Client> {
        obs_http::ObserveReqwest::new(None)
    }

    /// A middleware of actix-web that hands requests on (feature `actix`).
    #[cfg(feature = "actix")]
    pub fn actix(&self) -> ActixLayer {
        obs_http::ObserveActix::new(None)
    }

    /// The client as it is.
    pub fn client<S>(&self, client: S) -> S {
        client
    }

    /// A layer that hands requests on.
    pub fn grpc_client_layer(&self) -> ClientLayer {
        ObserveLayer::new(None, unrouted)
    }

    /// The channel as it is.
    pub fn grpc_client<S>(&self, channel: S) -> S {
        channel
    }
}

/// What [`Obs::observe`] takes.
#[diagnostic::on_unimplemented(
    message = "`Obs::observe` cannot watch `{Self}`",
    label = "neither a `Router` with its state nor a pair of a service and its routes",
    note = "an axum `Router` needs its state first: `obs.observe(router.with_state(state))`",
    note = "any other tower service comes with what tells its route: `obs.observe((service, |head: &http::request::Parts| ...))`, or `obs_http::unrouted`"
)]
pub trait Observable {
    /// The same.
    type Observed;

    /// Hands it back.
    fn observed_by(self, obs: &Obs) -> Self::Observed;
}

#[cfg(feature = "axum")]
impl Observable for axum::Router {
    type Observed = Self;

    fn observed_by(self, _: &Obs) -> Self {
        self
    }
}

impl<S, F> Observable for (S, F)
where
    F: Fn(&http::request::Parts) -> Option<Route> + Send + Sync + 'static,
{
    type Observed = S;

    fn observed_by(self, _: &Obs) -> S {
        self.0
    }
}
