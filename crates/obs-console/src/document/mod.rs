//! Answers made of the stored data: lists, and one joined document.

mod bad_filter;
mod filter;
mod join;
mod lines;
mod list;
mod map;
mod metrics;
mod search;
mod services;
mod summary;
mod tree;

pub use bad_filter::BadFilter;
pub use filter::{Filter, StatusFilter};
pub use join::RequestDocument;
pub(crate) use join::join;
pub use lines::{ErrorFilter, Level, LineFilter, LinePage, Numbered};
pub(crate) use lines::{errors, lines};
pub(crate) use list::list;
pub(crate) use map::MapBuilder;
pub use map::{MapEdge, MapNode, NodeKind, ServiceMap};
pub use metrics::{FamilySummary, PlottedExemplar, SeriesFilter, TimeSeries};
pub(crate) use metrics::{families, series};
pub use search::{AttributeFilter, Needle};
pub(crate) use services::services;
pub use services::{InstanceState, ServiceState};
pub use summary::RequestSummary;
pub use tree::PlacedSpan;
