//! A span while it lives.

mod attribute;
mod compact;
mod data;
mod identity;
mod limits;
mod visit;

pub use attribute::AttributeValue;
pub(crate) use attribute::{Attribute, Stored};
pub(crate) use data::{Chunk, Event, EventName, Link, Record, cut, write_bounded};
pub use data::{SpanKind, Status};
pub(crate) use identity::Identity;
pub use limits::Limits;
pub(crate) use visit::{Chain, Fields};
