#![doc = include_str!("../README.md")]

#[cfg(feature = "export")]
mod answer;
#[cfg(feature = "export")]
mod blocking;
#[cfg(feature = "export")]
pub mod client;
#[cfg(feature = "worker")]
mod closing;
pub mod environment;
mod error;
#[cfg(feature = "export")]
mod exporter;
mod exporters;
#[cfg(feature = "export")]
mod json;
mod options;
#[cfg(feature = "worker")]
mod outcome;
mod protocol;
#[cfg(feature = "export")]
mod resolve;
mod resource;
mod signal;
#[cfg(feature = "worker")]
mod warning;
pub mod wire;

#[cfg(feature = "export")]
pub use blocking::Blocking;
#[cfg(feature = "worker")]
pub use closing::{Closer, Closing, closing};
pub use environment::{Lookup, Origin, Resolver, Setting};
pub use error::Error;
#[cfg(feature = "export")]
pub use exporter::{Exporter, RequestBody};
pub use exporters::Exporters;
#[cfg(feature = "export")]
pub use json::json_of;
pub use options::{Options, TlsIdentity};
#[cfg(feature = "worker")]
pub use outcome::Outcome;
pub use protocol::{Compression, Protocol};
#[cfg(feature = "export")]
pub use resolve::Defaults;
pub use resource::{Resource, ResourceValue};
pub use signal::Signal;
#[cfg(feature = "worker")]
pub use warning::{Warning, warn_of_ignored};
