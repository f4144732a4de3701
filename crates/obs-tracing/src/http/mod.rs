//! Spans of HTTP exchanges: of a server, and of a client (feature `http`).
//!
//! Both are observers for `obs-http`, so that they can be put into one tower layer with the observers
//! of other pillars; [`server_layer`] and [`client_layer`] are layers of their own.
//!
//! ```
//! use obs_tracing::http::{client_layer, server_layer};
//!
//! let server = server_layer(obs_http::unrouted);   // under axum: obs_http::matched_path
//! let client = client_layer();
//! # let _ = (server, client);
//! ```

mod address;
mod client;
mod grpc;
mod server;
mod span;

use http::request;
use obs_context::Route;
use obs_http::{ObserveLayer, unrouted};

pub use client::{ClientExchange, ClientSpan};
pub use grpc::{GrpcClientSpan, GrpcExchange, GrpcServerSpan};
pub use server::{ServerExchange, ServerSpan};
pub use span::EnteredSpan;

/// A middleware of `reqwest_middleware`: a [`ClientSpan`] of every request, with redirects that are followed.
///
/// ```
/// use obs_tracing::http::ReqwestSpan;
/// use reqwest_middleware::ClientBuilder;
///
/// let client = ClientBuilder::new(reqwest::Client::new()).with(ReqwestSpan::default()).build();
/// # drop(client);
/// ```
#[cfg(feature = "reqwest")]
pub type ReqwestSpan = obs_http::ObserveReqwest<ClientSpan>;

/// A tower layer that makes a SERVER span of every request; `route_of` returns its route template.
pub fn server_layer(
    route_of: impl Fn(&request::Parts) -> Option<Route> + Send + Sync + 'static,
) -> ObserveLayer<ServerSpan> {
    ObserveLayer::new(ServerSpan::new(), route_of)
}

/// A tower layer for an HTTP client: a CLIENT span around every request, whose headers carry the
/// context on.
pub fn client_layer() -> ObserveLayer<ClientSpan> {
    ObserveLayer::new(ClientSpan::new(), unrouted)
}

/// A tower layer that makes a SERVER span of every gRPC call: `tonic::transport::Server::builder().layer(...)`.
pub fn grpc_server_layer() -> ObserveLayer<GrpcServerSpan> {
    ObserveLayer::new(GrpcServerSpan::new(), unrouted)
}

/// A tower layer for a gRPC client: around tonic's `Channel`, a CLIENT span around every call, whose
/// metadata carries the context on.
pub fn grpc_client_layer() -> ObserveLayer<GrpcClientSpan> {
    ObserveLayer::new(GrpcClientSpan::new(), unrouted)
}
