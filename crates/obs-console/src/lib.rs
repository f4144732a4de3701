#![doc = include_str!("../README.md")]

mod api;
mod console;
mod document;
mod error;
mod loopback;
mod model;
mod receive;
mod scrape;
mod serve;
mod state;
mod store;

pub use api::Token;
pub use console::{Console, ConsoleBuilder, Running};
pub use document::{
    AttributeFilter, BadFilter, ErrorFilter, Filter, Level, LineFilter, LinePage, Needle, Numbered,
    PlacedSpan, RequestDocument, RequestSummary, StatusFilter,
};
pub use error::Error;
pub use model::{
    Attributes, Breadcrumb, ErrorCause, ErrorEvent, ErrorFrame, Exemplar, Health, LogLine,
    MetricSource, Observation, Series, SeriesKind, Span, SpanEvent, SpanKind, SpanLink, SpanStatus,
};
pub use scrape::{Exposition, Target, parse_openmetrics};
pub use state::{Change, HealthAt, Limits};
pub use store::{EvictedStats, ReceivedStats, Stats, Store, StoredStats, Taken, TurnedAwayStats};
