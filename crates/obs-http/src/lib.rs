#![doc = include_str!("../README.md")]

#[cfg(feature = "actix")]
mod actix;
#[cfg(feature = "axum")]
mod axum;
mod body;
mod end;
mod future;
mod grpc;
mod host;
mod method;
mod observe;
mod peer;
mod request_id;
#[cfg(feature = "reqwest")]
mod reqwest;
mod route;
#[cfg(feature = "axum")]
mod routes;
mod running;
mod service;

#[cfg(feature = "actix")]
pub use self::actix::{ActixBody, ObserveActix, ObservedActix};
#[cfg(feature = "axum")]
pub use self::axum::{matched_path, routes_of};
#[cfg(feature = "reqwest")]
pub use self::reqwest::ObserveReqwest;
pub use body::ObservedBody;
pub use end::{End, Outcome};
pub use future::ObservedFuture;
pub use grpc::is_grpc;
pub use host::server_address;
pub use method::known_method;
pub use observe::{Exchange, Observe};
pub use peer::PeerAddr;
pub use request_id::forward_request_id;
pub use route::unrouted;
#[cfg(feature = "axum")]
pub use routes::{ObserveRoutes, ObservedRoute};
pub use service::{ObserveLayer, ObserveService};
