#![doc = include_str!("../README.md")]

mod bind;
mod budget;
mod builder;
mod callsite;
mod context;
mod cost;
mod encode;
mod error;
mod error_text;
mod error_type;
mod field;
mod filter;
mod layer;
mod local;
mod log_record;
mod logger;
mod logging;
#[cfg(feature = "valuable")]
mod nested;
mod notice;
#[cfg(feature = "otlp")]
mod otlp;
mod output;
mod processor;
mod render;
mod scratch;

#[cfg(feature = "stack")]
mod stack;
mod visitor;

pub mod bridge;
pub mod capture;
#[cfg(feature = "http")]
pub mod http;
pub mod panic;
pub mod stage;

pub use budget::LogBudget;
pub use builder::{Builder, Format};
pub use context::current::{Context, Entered, Scoped};
pub use cost::CallsiteCost;
pub use error::Error;
pub use field::Value;
pub use filter::LogFilter;
pub use layer::{Lines, LogLayer};
pub use logger::Logger;
pub use logging::Logging;
#[cfg(feature = "valuable")]
pub use nested::{Structured, valuable};
#[cfg(feature = "otlp")]
pub use obs_otlp::{Compression, Protocol, Setting};
#[cfg(feature = "otlp")]
pub use otlp::Otlp;
#[cfg(unix)]
pub use output::reopen_files_on_hangup;
pub use output::{Counts, Delivery, FlushReport, LogFile, Output, WhenFull, reopen_files};
pub use processor::{Processor, Record};
#[cfg(feature = "stack")]
pub use stack::{Stack, stack};

#[doc(hidden)]
pub mod __private {
    pub use tracing;
    pub use tracing::Level;
    pub use tracing::field::{debug, display};
    pub use tracing::level_filters::{LevelFilter, STATIC_MAX_LEVEL};
}

/// The guide's examples.
#[cfg(all(doctest, feature = "otlp"))]
#[doc = include_str!("../../../docs/logging.md")]
mod guide {}
