//! Requests without telemetry (no feature `telemetry`): what watches them in other builds hands them on as they are.

use obs_context::Route;
use obs_http::{ObserveLayer, RouteOf, unrouted};
use obs_logging::http::{ForwardRequestId, RequestContext};

use crate::Obs;

type Server = Option<RequestContext>;
type Client = Option<ForwardRequestId>;

/// The layer of a server: hands requests on.
pub type ServerLayer = ObserveLayer<Server>;

/// The layer of a client: hands requests on.
pub type ClientLayer = ObserveLayer<Client>;

impl Obs {
    /// The application as it is. With the feature `telemetry` every request is watched.
    pub fn observe<App: Observable>(&self, app: App) -> App::Observed {
        app.observed_by(self)
    }

    /// A layer that hands requests on.
    pub fn server_layer(&self, route_of: RouteOf) -> ServerLayer {
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
    note = "an axum `Router` needs its state first: `obs.observe(router.with_state(state))`",
    note = "any other tower service comes with the function of its route: `obs.observe((service, route_of as fn(&_) -> _))`"
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

impl<S> Observable for (S, fn(&http::request::Parts) -> Option<Route>) {
    type Observed = S;

    fn observed_by(self, _: &Obs) -> S {
        self.0
    }
}
