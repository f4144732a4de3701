#![doc = include_str!("../README.md")]

mod admin;
mod config;
mod error;
#[cfg(feature = "telemetry")]
mod http;
#[cfg(not(feature = "telemetry"))]
#[path = "http_off.rs"]
mod http;
mod init;
mod layer;
mod peer;
mod prices;
mod queries;
mod serve;
#[cfg(feature = "errors")]
mod spans;
mod spawn;
#[cfg(all(feature = "profiling", target_os = "linux"))]
mod stacks;
pub mod testing;

pub use config::{Config, Explanation, Origin, Preset};
pub use error::Error;
#[cfg(feature = "actix")]
pub use http::ActixLayer;
pub use http::{ClientLayer, Observable, ServerLayer};
pub use init::{Obs, init};
pub use spawn::{InCurrent, in_current, spawn, spawn_blocking};

/// Whether this build has telemetry: without the feature `telemetry` nothing is installed, and nothing recorded.
pub const HAS_TELEMETRY: bool = cfg!(feature = "telemetry");

pub use obs_context as context;
#[cfg(feature = "errors")]
pub use obs_errors as errors;
pub use obs_health as health;
pub use obs_logging as logging;
pub use obs_metrics as metrics;
#[cfg(feature = "profiling")]
pub use obs_profiling as profiling;
pub use obs_tracing as tracing;

/// The guides' examples.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
#[doc = include_str!("../../../docs/adopting.md")]
#[doc = include_str!("../../../docs/migrating.md")]
mod guides {}

#[cfg(all(doctest, feature = "errors"))]
#[doc = include_str!("../../../docs/errors.md")]
mod guide_of_errors {}
