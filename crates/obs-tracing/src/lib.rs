#![doc = include_str!("../README.md")]

mod builder;
mod closed;
mod configure;
mod entry;
mod event;
mod exception;
mod export;
mod filter;
mod finish;
mod fork;
mod handle;
#[cfg(feature = "http")]
pub mod http;
mod layer;
mod live;
mod open;
#[cfg(feature = "otel-sdk")]
mod otel_context;
mod pipeline;
mod pool;
pub mod propagate;
mod queue;
mod record;
mod ring;
mod sample;
mod span_ext;
mod sql;
mod thread_state;
mod traces;
mod undecided;

pub use builder::Builder;
pub use filter::TraceFilter;
pub use layer::TraceLayer;
pub use live::LiveSpan;
pub use obs_otlp::{Compression, Error, Origin, Protocol, Setting};
#[cfg(feature = "otel-sdk")]
pub use opentelemetry_sdk;
pub use record::{AttributeValue, EndedSpan, Limits, SpanKind, Status, Tail};
pub use sample::{Sampler, SpanBudget, SpanBudgetStatus};
pub use span_ext::{
    SpanExt, add_event, add_link, record_error, record_error_with_backtrace, set_attribute,
    set_status,
};
pub use sql::{Query, sql_with_trace};
pub use traces::{Counts, Delivery, SpanCost, Traces};

/// The guide's examples.
#[cfg(all(doctest, feature = "http", feature = "otlp", feature = "otel-sdk", feature = "reqwest"))]
#[doc = include_str!("../../../docs/tracing.md")]
mod guide {}
