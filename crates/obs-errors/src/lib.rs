#![doc = include_str!("../README.md")]

mod breadcrumbs;
mod builder;
mod captured;
mod core;
mod current;
mod details;
mod error;
mod errors;
mod exit;
mod fields;
#[cfg(feature = "http")]
pub mod http;
mod layer;
mod metrics;
mod panic;
mod place;
mod queue;
mod report;
mod requests;
mod scrub;
#[cfg(feature = "sentry")]
mod sentry;
mod sink;
mod source;
mod stack;
mod worker;

pub use builder::Builder;
pub use current::{current_error_id, with_current_id};
pub use error::Error;
pub use errors::{Errors, capture, capture_with_backtrace};
pub use layer::ErrorLayer;
pub use queue::Flushed;
pub use report::{Breadcrumb, Cause, ErrorId, Frame, Kind, Report, Request, Source, SpanSoFar};
pub use sink::{Loss, Outcome, Sink};

/// What is deployed, as `name@version` of the package that calls it, with the source revision where the
/// build knew it (`GIT_REVISION` at compile time).
#[macro_export]
macro_rules! release {
    () => {
        match ::core::option_env!("GIT_REVISION") {
            Some(revision) => ::std::format!(
                "{}@{}+{revision}",
                ::core::env!("CARGO_PKG_NAME"),
                ::core::env!("CARGO_PKG_VERSION")
            ),
            None => ::std::string::String::from(::core::concat!(
                ::core::env!("CARGO_PKG_NAME"),
                "@",
                ::core::env!("CARGO_PKG_VERSION")
            )),
        }
    };
}
