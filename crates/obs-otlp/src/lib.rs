#![doc = include_str!("../README.md")]

#[cfg(feature = "export")]
mod answer;
#[cfg(feature = "export")]
mod blocking;
#[cfg(feature = "export")]
pub mod client;
#[cfg(feature = "export")]
mod closing;
pub mod environment;
mod error;
#[cfg(feature = "export")]
mod exporter;
mod exporters;
#[cfg(feature = "export")]
mod json;
#[cfg(feature = "export")]
mod options;
mod protocol;
mod resource;
mod signal;
#[cfg(feature = "export")]
mod warning;
pub mod wire;

#[cfg(feature = "export")]
pub use blocking::Blocking;
#[cfg(feature = "export")]
pub use closing::{Closer, Closing, closing};
pub use environment::{Lookup, Origin, Resolver, Setting};
pub use error::Error;
#[cfg(feature = "export")]
pub use exporter::{Exporter, Outcome, Package};
pub use exporters::Exporters;
#[cfg(feature = "export")]
pub use options::{Defaults, Options};
pub use protocol::{Compression, Protocol};
pub use resource::Resource;
pub use signal::Signal;
#[cfg(feature = "export")]
pub use warning::{Warning, warn_of_ignored};
