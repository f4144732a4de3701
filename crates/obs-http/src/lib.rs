#![doc = include_str!("../README.md")]

mod body;
mod end;
mod future;
mod grpc;
mod method;
mod observe;
mod peer;
#[cfg(feature = "reqwest")]
mod reqwest;
mod route;
#[cfg(feature = "axum")]
mod routes;
mod running;
mod service;

#[cfg(feature = "reqwest")]
pub use self::reqwest::ObserveReqwest;
pub use body::ObservedBody;
pub use end::{End, Outcome};
pub use future::ObservedFuture;
pub use grpc::is_grpc;
pub use method::known_method;
pub use observe::{Exchange, Observe};
pub use peer::PeerAddr;
#[cfg(feature = "axum")]
pub use route::matched_path;
pub use route::{RouteOf, unrouted};
#[cfg(feature = "axum")]
pub use routes::{ObserveRoutes, ObservedRoute};
pub use service::{ObserveLayer, ObserveService};
