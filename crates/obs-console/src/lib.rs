#![doc = include_str!("../README.md")]

mod api;
mod client;
mod console;
mod document;
mod error;
mod loopback;
mod model;
mod profile;
mod receive;
#[cfg(unix)]
mod run;
mod scrape;
mod serve;
mod state;
mod store;

pub use api::{Action, Token};
pub use console::{Console, ConsoleBuilder, Running};
pub use document::{
    AttributeFilter, BadFilter, ErrorFilter, FamilySummary, Filter, InstanceState, Level,
    LineFilter, LinePage, MapEdge, MapNode, Needle, NodeKind, Numbered, PlacedSpan,
    PlottedExemplar, RequestDocument, RequestSummary, SeriesFilter, ServiceMap, ServiceState,
    StatusFilter, TimeSeries,
};
pub use error::Error;
pub use model::{
    Attributes, Breadcrumb, ErrorCause, ErrorEvent, ErrorFrame, Exemplar, Family, FamilyKind,
    Health, LogLine, MetricSource, Observation, Series, SeriesKind, Span, SpanEvent, SpanKind,
    SpanLink, SpanStatus,
};
#[cfg(unix)]
pub use run::{Program, Signals};
pub use scrape::{Exposition, Target, parse_openmetrics};
pub use state::{Change, HealthAt, HealthChange, Limits};
pub use store::{
    AddOutcome, EvictedStats, ReceivedStats, RejectedStats, Revision, Stats, Store, StoredStats,
};
